"""Publishing with asynchronous confirms: hundreds outstanding, each accounted for.

One channel, used by the I/O thread alone. Every message is persistent and
mandatory, so each ends in exactly one of: confirmed, refused (nacked or returned),
lost (the channel went away first, and nobody knows).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from threading import Lock
from typing import Any, Protocol

import pika
from pika.channel import Channel
from pika.spec import BasicProperties

from runner.errors import BrokerUnavailableError, PublishError
from runner.message import NOT_BEFORE, Outgoing
from runner.topology import Topology

PERSISTENT = 2


class Ticket(Protocol):
    """Who wants to know what became of some messages; called on the I/O thread."""

    def confirmed(self) -> None:
        """One more of them is durable."""

    def refused(self, message: Outgoing, reason: str) -> None:
        """This one was certainly not taken."""

    def lost(self, message: Outgoing, reason: str) -> None:
        """What became of this one can't be known any more."""


class WaitingTicket:
    """For a thread that waits until all of its messages are confirmed."""

    __slots__ = ("_lock", "_lost", "_pending", "_refused")

    def __init__(self, messages: Sequence[Outgoing]) -> None:
        self._pending = len(messages)
        self._refused: list[tuple[Outgoing, str]] = []
        self._lost = ""
        # A bare lock, released once: a tenth of the cost of an Event or a Future.
        self._lock = Lock()
        self._lock.acquire()

    def wait(self, timeout: float) -> None:
        """Raises PublishError or BrokerUnavailableError, as `Broker.publish` does."""
        if not self._lock.acquire(timeout=timeout):
            raise BrokerUnavailableError(f"the broker has not confirmed within {timeout:g} s")
        if self._lost:
            raise BrokerUnavailableError(self._lost)
        if self._refused:
            raise PublishError(self._refused)

    def confirmed(self) -> None:
        self._pending -= 1
        if not self._pending:
            self._lock.release()

    def refused(self, message: Outgoing, reason: str) -> None:
        self._refused.append((message, reason))
        self.confirmed()

    def lost(self, message: Outgoing, reason: str) -> None:  # noqa: ARG002 - the Ticket protocol's
        self._lost = reason
        self.confirmed()


class Publisher:
    """The publishing channel, and what is outstanding on it.

    Without a channel a message is lost at once. `unroutable()` is called when one came
    back because its queue or binding is gone.
    """

    def __init__(self, topology: Topology, unroutable: Callable[[], None]) -> None:
        self._topology = topology
        self._on_unroutable = unroutable
        self.channel: Channel | None = None
        self._sequence = 0
        self._lowest = 1
        self._unconfirmed: dict[int, tuple[Outgoing, Ticket]] = {}
        self._returned: dict[int, str] = {}

    @property
    def outstanding(self) -> int:
        return len(self._unconfirmed)

    def attach(self, channel: Channel) -> None:
        """Use this freshly opened channel; it is put into confirm mode."""
        self._sequence, self._lowest = 0, 1
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)
        self.channel = channel

    def detach(self, reason: str) -> None:
        """The channel is gone, and with it the fate of what is outstanding."""
        self.channel = None
        entries = list(self._unconfirmed.values())
        self._unconfirmed.clear()
        self._returned.clear()
        for message, ticket in entries:
            ticket.lost(message, reason)

    def send(self, messages: Iterable[Outgoing], ticket: Ticket) -> None:
        for message in messages:
            if self.channel is None:
                ticket.lost(message, "the broker is away")
                continue
            exchange, key = message.destination
            headers = message.headers
            if message.delay:
                exchange, key, headers = self._waiting(message)
            self._sequence += 1
            self._unconfirmed[self._sequence] = (message, ticket)
            self.channel.basic_publish(exchange, key, message.payload, _properties(message, headers), mandatory=True)

    def _waiting(self, message: Outgoing) -> tuple[str, str, Mapping[str, Any]]:
        """Where and with which headers a message waits. The longest rung may be shorter
        than the wait; the message then comes back early and is sent to wait again."""
        due = round((time.time() + message.delay) * 1000)
        queue = self._topology.retry_queue(message.destination.key, message.delay)
        return "", queue, {**message.headers, NOT_BEFORE: due}

    def _on_confirm(self, frame: Any) -> None:
        method = frame.method
        refused = "" if isinstance(method, pika.spec.Basic.Ack) else "the queue is full, or its node refuses messages"
        if not method.multiple:
            self._settle(method.delivery_tag, refused)
            return
        while self._lowest <= method.delivery_tag:
            self._settle(self._lowest, refused)
            self._lowest += 1

    def _settle(self, sequence: int, refused: str) -> None:
        entry = self._unconfirmed.pop(sequence, None)
        if entry is None:
            return
        message, ticket = entry
        refused = refused or (self._returned.pop(sequence, "") if self._returned else "")
        if refused:
            ticket.refused(message, refused)
        else:
            ticket.confirmed()

    def _on_return(self, _channel: object, method: Any, properties: BasicProperties, _body: bytes) -> None:
        """A return carries no sequence number, and comes before the message's ack: it is
        for the first outstanding message of that id and destination."""
        self._on_unroutable()
        for sequence, (message, _) in self._unconfirmed.items():
            if message.id == properties.message_id and sequence not in self._returned:
                sent_to = message.destination.key if not message.delay else None
                if sent_to in (None, method.routing_key):
                    self._returned[sequence] = self._unroutable(method.exchange, method.routing_key)
                    return

    @staticmethod
    def _unroutable(exchange: str, key: str) -> str:
        if exchange:
            return f"no queue is bound to the exchange '{exchange}' for the key '{key}'"
        return f"there is no queue '{key}'"


def _properties(message: Outgoing, headers: Mapping[str, Any]) -> BasicProperties:
    """A message that is moved on keeps its sender's properties; but neither an
    expiration (it would vanish from the dead letters) nor a user id (RabbitMQ closes
    the channel where that isn't the connection's own)."""
    origin = message.origin.properties if message.origin is not None else None
    if origin is None:
        return BasicProperties(
            content_type="application/json",
            delivery_mode=PERSISTENT,
            message_id=message.id,
            headers=headers or None,
        )
    return BasicProperties(
        content_type=origin.content_type,
        content_encoding=origin.content_encoding,
        headers=headers or None,
        delivery_mode=PERSISTENT,
        correlation_id=origin.correlation_id,
        reply_to=origin.reply_to,
        message_id=message.id,
        timestamp=origin.timestamp,
        type=origin.type,
        app_id=origin.app_id,
    )
