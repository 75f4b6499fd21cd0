"""Publishing with asynchronous confirms: hundreds outstanding, each accounted for.

One channel, used by the I/O thread alone. Every message is persistent and
mandatory, so each ends in exactly one of: confirmed, refused (nacked or returned),
lost (the channel went away first, and nobody knows).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

import pika
from pika.channel import Channel
from pika.spec import BasicProperties

from runner.brokers.base import Done
from runner.brokers.rabbitmq.frames import content_frames, publish_frame
from runner.errors import BrokerUnavailableError, PublishError
from runner.message import HEADER_PREFIX, NOT_BEFORE, TRACEBACK, Outgoing
from runner.topology import Topology

log = logging.getLogger("runner.broker")


class Ticket(Protocol):
    """Who wants to know what became of some messages; called on the I/O thread."""

    def confirmed(self) -> None:
        """One more of them is durable."""

    def refused(self, message: Outgoing, reason: str) -> None:
        """This one was certainly not taken."""

    def lost(self, message: Outgoing, reason: str) -> None:
        """What became of this one can't be known any more."""


class SubmitTicket:
    """For somebody who wants to know once, of all of his messages together."""

    __slots__ = ("_done", "_lost", "_pending", "_refused")

    def __init__(self, messages: Sequence[Outgoing], done: Done) -> None:
        self._pending = len(messages)
        self._done = done
        self._refused: list[tuple[Outgoing, str]] = []
        self._lost = ""

    def confirmed(self) -> None:
        self._pending -= 1
        if self._pending:
            return
        if self._lost:
            self._done(BrokerUnavailableError(self._lost))
        else:
            self._done(PublishError(self._refused) if self._refused else None)

    def refused(self, message: Outgoing, reason: str) -> None:
        self._refused.append((message, reason))
        self.confirmed()

    def lost(self, message: Outgoing, reason: str) -> None:  # noqa: ARG002 - the Ticket protocol's
        self._lost = reason
        self.confirmed()


class Publisher:
    """The publishing channel, and what is outstanding on it.

    Without a channel a message is lost at once. `soon(function)` calls `function` after
    what is being done now; `unroutable()` is called when a message came back because its
    queue or binding is gone.
    """

    def __init__(
        self, topology: Topology, *, soon: Callable[[Callable[[], None]], None], unroutable: Callable[[], None]
    ) -> None:
        self._topology = topology
        self._soon = soon
        self._on_unroutable = unroutable
        self.channel: Channel | None = None
        self._sequence = 0
        self._lowest = 1
        self._unconfirmed: dict[int, tuple[Outgoing, Ticket]] = {}
        self._returned: dict[int, str] = {}
        self._unwritten: list[bytes] = []

    @property
    def outstanding(self) -> int:
        return len(self._unconfirmed)

    def attach(self, channel: Channel) -> None:
        """Use this freshly opened channel; it is put into confirm mode."""
        self._sequence, self._lowest = 0, 1
        channel.add_on_return_callback(self._on_return)
        channel.confirm_delivery(self._on_confirm)
        channel.connection.acks[channel.channel_number] = self._on_ack
        self.channel = channel

    def detach(self, reason: str) -> None:
        """The channel is gone, and with it the fate of what is outstanding."""
        if self.channel is not None:
            self.channel.connection.acks.pop(self.channel.channel_number, None)
        self.channel = None
        entries = list(self._unconfirmed.values())
        self._unconfirmed.clear()
        self._returned.clear()
        self._unwritten.clear()
        for message, ticket in entries:
            ticket.lost(message, reason)

    def send(self, messages: Iterable[Outgoing], ticket: Ticket) -> None:
        for message in messages:
            channel = self.channel
            if channel is None:
                ticket.lost(message, "the broker is away")
                continue
            try:
                frames = self._frames(channel, message)
            except Exception as error:  # noqa: BLE001 - it is this message's fault, and nobody else's
                ticket.refused(message, f"it can't be written: {error}")
                continue
            self._sequence += 1
            self._unconfirmed[self._sequence] = (message, ticket)
            if not self._unwritten:
                self._soon(self._write)
            self._unwritten.append(frames)

    def _frames(self, channel: Channel, message: Outgoing) -> bytes:
        exchange, key = message.destination
        headers = message.headers
        if message.delay:
            exchange, key, headers = self._waiting(message)
        number, frame_max = channel.channel_number, channel.connection.params.frame_max
        try:
            origin = message.origin.properties if message.origin is not None else None
            content = content_frames(number, frame_max, message.id, headers, message.payload, origin)
        except ValueError as error:
            if message.origin is None:
                raise
            # It has to go somewhere: to its retry, or to the dead letters.
            log.warning("message %s is moved on without its sender's headers: %s", message.id, error)
            ours = {name: headers[name] for name in headers if name.startswith(HEADER_PREFIX) and name != TRACEBACK}
            content = content_frames(number, frame_max, message.id, ours, message.payload, None)
        return publish_frame(number, exchange, key) + content

    def _write(self) -> None:
        """What has come together leaves in one write: a system call costs more than a message."""
        frames, self._unwritten = self._unwritten, []
        if self.channel is not None and self.channel.is_open:
            # pika's own way for frames that are marshalled already; it has no public one.
            self.channel.connection._output_marshaled_frames([b"".join(frames)])  # noqa: SLF001

    def _waiting(self, message: Outgoing) -> tuple[str, str, Mapping[str, Any]]:
        """Where and with which headers a message waits. The longest rung may be shorter
        than the wait; the message then comes back early and is sent to wait again."""
        due = round((time.time() + message.delay) * 1000)
        queue = self._topology.retry_queue(message.destination.key, message.delay)
        return "", queue, {**message.headers, NOT_BEFORE: due}

    def _on_confirm(self, frame: Any) -> None:
        """Pika's way: a nack, or an ack before the short way was there."""
        method = frame.method
        refused = "" if isinstance(method, pika.spec.Basic.Ack) else "the queue is full, or its node refuses messages"
        self._on_ack(method.delivery_tag, method.multiple, refused)

    def _on_ack(self, tag: int, multiple: bool, refused: str = "") -> None:
        if not multiple:
            self._settle(tag, refused)
            return
        while self._lowest <= tag:
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
