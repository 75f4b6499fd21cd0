"""Publishing with asynchronous confirms: hundreds outstanding, each accounted for.

One channel, used by the I/O thread alone. Every message is persistent and
mandatory, so each ends in exactly one of: confirmed, refused (nacked or returned),
lost (the channel went away first, so its fate is unknown).
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.frames import END, OVERHEAD, content_frames, publish_frame
from runner.brokers.rabbitmq.amqp.templates import PublishTemplate
from runner.brokers.rabbitmq.reading import Moved
from runner.brokers.rabbitmq.tickets import Ticket
from runner.events import Events
from runner.message import (
    ATTEMPT,
    HEADER_PREFIX,
    LOOKS,
    STRIPPED,
    TRACEBACK,
    VIA,
    WAIT,
    Delivery,
    Destination,
    Outgoing,
    new_id,
)
from runner.topology import Topology
from runner.wording import facts, one_line

log = logging.getLogger("runner.broker")

KEPT_TEMPLATES = 1000
"""Routing keys may be made from anything."""
LONGEST_REASON = 200
"""Characters."""


NACKED = "the queue is full, or its node refuses messages"


class Publisher:
    """The publishing channel, and what is outstanding on it.

    Without a channel a message is lost at once.

    If one message alone settles a delivery, that delivery serves as its ticket, since nearly
    all are of this kind and objects cost: `confirmed(deliveries)` is called for many at a
    time, and `ticket(delivery)` gives the real ticket when a message is refused or lost.
    """

    def __init__(
        self,
        *,
        confirmed: Callable[[Sequence[Delivery]], None],
        ticket: Callable[[Delivery], Ticket],
        events: Events,
    ) -> None:
        self.topology = Topology((), (), ())
        """Says where a delayed message waits."""
        self._on_confirmed = confirmed
        self._ticket = ticket
        self._events = events
        self._unroutable: Callable[[], None]
        self.channel: Channel | None = None
        self._sequence = 0
        self._lowest = 1
        self._unconfirmed: dict[int, tuple[Outgoing, Ticket | Delivery]] = {}
        self._returned: dict[int, str] = {}
        self._templates: dict[tuple[Destination, int], PublishTemplate] = {}

    @property
    def outstanding(self) -> int:
        return len(self._unconfirmed)

    def settling(self) -> set[Delivery]:
        """The deliveries that wait only for the confirm of one message."""
        return {ticket for _, ticket in self._unconfirmed.values() if isinstance(ticket, Delivery)}

    def attach(self, channel: Channel, unroutable: Callable[[], None]) -> None:
        """Use this new channel, in confirm mode. Calls `unroutable()` when a message came back
        because its queue or binding is gone."""
        self._sequence, self._lowest = 0, 1
        self._templates.clear()
        self._unroutable = unroutable
        channel.confirm(self._on_ack, self._on_return)
        self.channel = channel

    def detach(self, reason: str) -> None:
        """The channel is gone, and with it the fate of what is outstanding."""
        self.channel = None
        entries = list(self._unconfirmed.values())
        self._unconfirmed.clear()
        self._returned.clear()
        for message, ticket in entries:
            self._real(ticket).lost(message, reason)

    def send(self, message: Outgoing, ticket: Ticket | Delivery) -> None:
        """Publish it, and tell `ticket` what became of it."""
        channel = self.channel
        if channel is None:
            self._real(ticket).lost(message, "the broker is away")
            return
        try:
            if message.headers or message.delay or message.origin is not None:
                channel.write(self._frames(channel, message))
            else:
                self._write_plain(channel, message)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is this message's fault
            self._real(ticket).refused(message, f"it can't be written: {error}")
            return
        self._sequence += 1
        self._unconfirmed[self._sequence] = (message, ticket)

    def _real(self, ticket: Ticket | Delivery) -> Ticket:
        return self._ticket(ticket) if isinstance(ticket, Delivery) else ticket

    def _write_plain(self, channel: Channel, message: Outgoing) -> None:
        message_id, size = message.id.encode(), len(message.payload)
        kind = (message.destination, len(message_id))
        template = self._templates.get(kind)
        if template is not None and 0 < size <= channel.frame_max - OVERHEAD:
            channel.write(template.head(message_id, size), message.payload, END)
            return
        channel.write(self._frames(channel, message))
        if len(self._templates) >= KEPT_TEMPLATES:
            self._templates.clear()
        self._templates[kind] = PublishTemplate(channel.number, *kind)

    def _frames(self, channel: Channel, message: Outgoing) -> bytes:
        exchange, key = self._sent_to(message)
        headers = message.headers
        if message.delay and (left := self.topology.left_to_wait(message.destination.key, message.delay)):
            headers = {**headers, WAIT: round(left * 1000)}
        return publish_frame(channel.number, exchange, key) + self._content(channel, message, headers)

    def _content(self, channel: Channel, message: Outgoing, headers: Mapping[str, Any]) -> bytes:
        def content(headers: Mapping[str, Any], origin: Any) -> bytes:
            return content_frames(channel.number, channel.frame_max, message.id, headers, message.payload, origin)

        if message.origin is None:
            return content(headers, None)
        # It must go to its retry or to the dead letters, whatever its sender wrote.
        try:
            return content(headers, message.origin.broker_data)
        except Exception as error:  # noqa: BLE001 - ValueError, RecursionError, struct.error, …
            reason = f"its sender's headers could not be written: {error}"
            told = facts(id=message.id, reason=error)
            log.warning(
                "message %s is moved on without its sender's headers: %s", one_line(message.id), error, extra=told
            )
        try:
            ours = {name: headers[name] for name in headers if name.startswith(HEADER_PREFIX) and name != TRACEBACK}
            # Without these it would count as another message, or as one that may be handled.
            ours |= {name: headers[name] for name in (LOOKS, VIA) if isinstance(headers.get(name), (int, str))}
            return content({**ours, STRIPPED: reason[:LONGEST_REASON]}, None)
        except Exception:  # noqa: BLE001 - as above
            message.id = new_id()
            counts = {name: headers[name] for name in (ATTEMPT, WAIT) if name in headers}
            return content({**counts, STRIPPED: "neither its id nor its headers could be written"}, None)

    def _sent_to(self, message: Outgoing) -> Destination:
        """Where it is published: where it has to wait, if it has to. The longest rung may be
        shorter than the wait; the message then comes back early and is sent to wait again."""
        if not message.delay:
            return message.destination
        return Destination("", self.topology.retry_queue(message.destination.key, message.delay))

    def _on_ack(self, tag: int, multiple: bool, nacked: bool = False) -> None:
        sequences: Iterable[int] = (tag,)
        if multiple:
            sequences, self._lowest = range(self._lowest, tag + 1), tag + 1
        tell = self._events.confirmed
        if tell is not None and not nacked and (durable := self._durable(sequences)):
            tell(durable)
        confirmed: list[Delivery] = []
        for sequence in sequences:
            entry = self._unconfirmed.pop(sequence, None)
            if entry is None:
                continue
            message, ticket = entry
            if nacked or sequence in self._returned:
                self._real(ticket).refused(message, self._returned.pop(sequence, NACKED))
            elif isinstance(ticket, Delivery):
                confirmed.append(ticket)
            else:
                ticket.confirmed()
        if confirmed:
            self._on_confirmed(confirmed)

    def _durable(self, sequences: Iterable[int]) -> list[Outgoing]:
        """The messages confirmed with these, except those that only change their place."""
        known = [one for one in sequences if one in self._unconfirmed and one not in self._returned]
        messages = [self._unconfirmed[one][0] for one in known]
        return [message for message in messages if not isinstance(message, Moved)]

    def _on_return(self, exchange: str, key: str, message_id: str) -> None:
        """A return has no sequence number, and comes before the message's ack: it belongs to the
        first outstanding message with that id and destination."""
        self._unroutable()
        returned = Destination(exchange, key)
        for sequence, (message, _) in self._unconfirmed.items():
            is_it = message.id == message_id and self._sent_to(message) == returned
            if is_it and sequence not in self._returned:
                self._returned[sequence] = _leads_nowhere(returned)
                return


def _leads_nowhere(destination: Destination) -> str:
    exchange, key = destination
    if exchange:
        return f"no queue is bound to the exchange '{exchange}' for the key '{key}'"
    return f"there is no queue '{key}'"
