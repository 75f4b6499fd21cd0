"""A queue of RabbitMQ under an operator's eyes, over connections of its own.

Left out: how a queue is read without a change (see `amqp/browsing`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from runner.brokers.base import Shelved
from runner.brokers.rabbitmq.amqp.browsing import Browsed, Browser
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.sending import Sender
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerSetupError, BrokerUnavailableError, PublishError
from runner.message import NO_HEADERS, Outgoing


@contextmanager
def opened(urls: Sequence[str], name: str, queue: str) -> Iterator[RabbitShelf]:
    """`queue` at the first of `urls` that answers. Raises BrokerError, also if the connection is lost
    so that what was settled last may still lie there."""
    shelf = RabbitShelf(queue, lambda: _linked(urls, name))
    try:
        yield shelf
    except BaseException:
        shelf.close()
        raise
    if not shelf.close():
        raise BrokerUnavailableError(
            f"{queue}: the connection was lost; what was taken away last may still lie there, and come a second time"
        )


class RabbitShelf:
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


def _linked(urls: Sequence[str], name: str) -> Link:
    try:
        found = list(chain.from_iterable(map(nodes, urls)))
    except ValueError as error:
        raise BrokerSetupError(f"the broker's URL {error}") from None
    trouble = ""
    for node in found:
        try:
            return Link(node, name)
        except BrokerUnavailableError as error:
            trouble = str(error)
    raise BrokerUnavailableError(f"no broker answers: {trouble}")
