"""RabbitMQ as a broker.

    url.py          amqp:// and amqps:// → the nodes of a cluster
    broker.py       the contract, as any thread may call it
    life.py         the states of the connection, drawn
    recovery.py     what happens when the connection comes or goes
    repairs.py      declaring, and declaring again when something is gone
    connection.py   connecting to one node or another, again and again
    drivers.py      the event loop that it works on
    declaring.py    a topology, one declaration after the other
    arguments.py    a planned queue → RabbitMQ's arguments
    publishing.py   the publishing channel, and the fate of each message on it
    settling.py     publish, confirmed, ack; giving back
    tickets.py      who wants to know what became of a message, and what follows from it
    consumers.py    all that the process consumes, over any number of connections
    consuming.py    one queue that is consumed
    session.py      what one channel has delivered; acks in batches
    reading.py      what was delivered → a delivery, and the attempt that it is
    quarantine.py   messages whose worker died, one at a time
    depths.py       how much lies on the queues, and is in hand
    roll_call.py    who is a worker, and says so
    amqp/           AMQP by way of pika; nothing else imports it

Everything but the contract's own methods runs on the connection's thread, so that nothing
here needs a lock (`life` apart).
"""
