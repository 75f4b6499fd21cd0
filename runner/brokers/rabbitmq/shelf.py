"""A queue of RabbitMQ under an operator's eyes, over connections of its own.

Left out: how a queue is read without a change (see `amqp/browsing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from runner.brokers.base import OneByOne, Shelved
from runner.brokers.rabbitmq.amqp.browsing import Browsed, Browser
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.sending import Sender
from runner.brokers.rabbitmq.broker import connect
from runner.brokers.rabbitmq.linking import linked
from runner.brokers.rabbitmq.rotation import RabbitRotation
from runner.errors import BrokerUnavailableError, PublishError
from runner.message import NO_HEADERS, Outgoing
from runner.topology import Topology

START_TIMEOUT = 5.0
"""Seconds."""


@contextmanager
def opened(urls: Sequence[str], name: str, queue: str) -> Iterator[RabbitShelf]:
    """`queue` at the first of `urls` that answers. Raises BrokerError, also if the connection is lost
    so that what was settled last may still lie there."""
    shelf = RabbitShelf(queue, lambda: linked(urls, name))
    try:
        yield shelf
    except BaseException:
        shelf.close()
        raise
    if not shelf.close():
        raise BrokerUnavailableError(
            f"{queue}: the connection was lost; what was taken away last may still lie there, and come a second time"
        )


@contextmanager
def waiting(urls: Sequence[str], name: str, topology: Topology, queue: str) -> Iterator[RabbitRotation]:
    """What is ready on the work queue `queue` of `topology`. Raises BrokerError."""
    broker = connect(urls, name)
    broker.start(topology, timeout=START_TIMEOUT, declare=False)
    try:
        yield RabbitRotation(broker, queue)
    finally:
        broker.close()


@contextmanager
def delayed(urls: Sequence[str], name: str, topology: Topology, queue: str) -> Iterator[RabbitShelves]:
    """What waits until it goes to the work queue `queue` of `topology` again. Raises BrokerError."""
    waits = [planned.name for planned in topology.queues if planned.home == queue and planned.kind == "retry"]
    with ExitStack() as shelves:
        yield RabbitShelves([shelves.enter_context(opened(urls, name, wait)) for wait in waits])


class RabbitShelves(OneByOne):
    """Several queues as one shelf."""

    def __init__(self, shelves: Sequence[RabbitShelf]) -> None:
        self._shelves = shelves
        self._on: RabbitShelf | None = None

    def look(self) -> Iterator[Shelved]:
        for shelf in self._shelves:
            self._on = shelf
            yield from shelf.look()

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        assert self._on is not None
        return self._on.settle(shelved, messages)


class RabbitShelf(OneByOne):
    """The contract of a shelf. `linked()` connects: once to read, and once more to publish."""

    def __init__(self, queue: str, linked: Callable[[], Link]) -> None:
        self._linked = linked
        self._browser = Browser(linked(), queue)
        self._sender: Sender | None = None
        self._acked = False

    def look(self) -> Iterator[Shelved]:
        for found in self._browser.messages():
            _, _, name, properties, payload = found.delivered
            headers = properties.headers if properties is not None else None
            yield Shelved(name, payload, headers or NO_HEADERS, found)

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        found: Browsed = shelved.place
        refused = []
        for message in messages:
            if self._sender is None:
                self._sender = Sender(self._linked())
            reason = self._sender.publish(
                *message.destination, message.id, message.headers, message.payload, found.delivered.properties
            )
            if reason:
                refused.append((message, reason))
        if refused:
            raise PublishError(refused)
        found.ack()
        self._acked = True
        return True

    def close(self) -> bool:
        """Returns whether everything that was settled has left."""
        if self._sender is not None:
            self._sender.close()
        return self._browser.close() or not self._acked
