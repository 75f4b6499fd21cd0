"""AMQP 0-9-1 with pika: the only place that imports pika and knows its internals.

    connection.py  a connection, with types: the face of what is below
    browsing.py    a queue, read by an operator
    reader.py      a consumer that holds a page of it
    sending.py     what an operator sends in place of what was read
    link.py        a connection whose owner waits for each answer
    channel.py     a channel, with types: publish, consume, declare
    node.py        a node of a cluster, and what it takes to connect to it
    parameters.py  a node → pika's connection parameters, TLS included
    errors.py      pika's errors, in words for an operator
    adapter.py     pika's connection, by way of the wire
    wire.py        a short way in and out, past pika, for what comes by the thousand
    templates.py   plain messages by template: the shortest way
    frames.py      messages ↔ frames
    fields.py      properties and header tables ↔ bytes

Left out: queues that belong together, retries, what a message means. Code outside uses
`Connection`, `Channel`, and the values that they hand over.
"""
