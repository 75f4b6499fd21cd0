"""RabbitMQ as a broker.

    url.py          amqp:// and amqps:// → the nodes of a cluster
    broker.py       the contract, as any thread may call it
    life.py         the states of the connection, drawn
    recovery.py     what happens when the connection comes or goes
    repairs.py      declaring, and declaring again when something is gone
    connection.py   connecting to one node or another, again and again
    drivers.py      the event loop that it works on
    declaring.py    a topology, one declaration after another
    arguments.py    a planned queue → RabbitMQ's arguments
    publishing.py   the publishing channel, and the fate of each message on it
    settling.py     publish, confirmed, ack; giving back
    tickets.py      what follows once the fate of a message is known
    consumers.py    everything that the process consumes, over any number of connections
    consuming.py    one queue that is consumed
    sorting.py      which deliveries go elsewhere first: to the quarantine, or back to wait
    session.py      what one channel has delivered; acks in batches
    reading.py      what was delivered → a delivery, and the number of its attempt
    quarantine.py   messages whose worker died, one at a time
    depths.py       how many messages are on the queues, and in hand
    roll_call.py    which consumers are workers, and say so
    asking.py       a question to all workers, and their answers
    shelf.py        a queue under an operator's eyes
    linking.py      a connection for a command
    checkup.py      is it fit for a pipeline?
    survey.py       what is there, compared with a topology; management.py lists the queues
    migration.py    a queue made anew, with what is on it
    rotation.py     the same of a work queue, while workers take from it
    amqp/           AMQP by way of pika; nothing else imports it

Everything except the contract's own methods runs on the connection's thread, so nothing here
needs a lock (except `life`).
"""
