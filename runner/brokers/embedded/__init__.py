"""The embedded broker: a durable queue in a SQLite file, for the processes of one machine.

    broker.py    the contract: what any thread may call, and the thread that does it
    turn.py      one transaction's work: settle, publish, take
    store.py     messages and queues as rows; knows SQL, and nothing of threads
    file.py      the file itself: opened, checked, explained when it fails, kept small
    presence.py  who is alive, and how to wake them

Left out: more than one machine. That is what RabbitMQ is for.
"""

from runner.brokers.embedded.broker import EmbeddedBroker

__all__ = ["EmbeddedBroker"]
