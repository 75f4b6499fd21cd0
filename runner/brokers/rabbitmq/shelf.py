"""A queue of RabbitMQ under an operator's eyes, over a connection of its own.

Left out: how a queue is read without a change (see `amqp/browsing`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import chain

from runner.brokers.base import Shelved
from runner.brokers.rabbitmq.amqp.browsing import Browser
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerSetupError, BrokerUnavailableError, PublishError
from runner.message import Outgoing


@contextmanager
def opened(urls: Sequence[str], name: str, queue: str) -> Iterator[RabbitShelf]:
    """`queue` at the first of `urls` that answers. Raises BrokerError."""
    browser = _browser(urls, name, queue)
    try:
        yield RabbitShelf(browser)
    finally:
        browser.close()


class RabbitShelf:
    """The contract of a shelf over one connection."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser

    def look(self) -> Iterator[Shelved]:
        for tag, name, headers, payload in self._browser.messages():
            yield Shelved(name, payload, headers, tag)

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        refused = []
        for message in messages:
            destination = message.destination
            reason = self._browser.publish(
                shelved.place, destination.exchange, destination.key, message.id, message.headers, message.payload
            )
            if reason:
                refused.append((message, reason))
        if refused:
            raise PublishError(refused)
        self._browser.ack(shelved.place)
        return True


def _browser(urls: Sequence[str], name: str, queue: str) -> Browser:
    try:
        found = list(chain.from_iterable(map(nodes, urls)))
    except ValueError as error:
        raise BrokerSetupError(f"the broker's URL {error}") from None
    trouble = ""
    for node in found:
        try:
            return Browser(node, name, queue)
        except BrokerUnavailableError as error:
            trouble = str(error)
    raise BrokerUnavailableError(f"no broker answers: {trouble}")
