"""A connection for a command, to the first node of a cluster that answers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerSetupError, BrokerUnavailableError


def linked(urls: Sequence[str], name: str) -> Link:
    """`name` is shown in the broker's lists. Raises BrokerError."""
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
