"""The short way past pika: in for deliveries and confirms, out for publishes and acks.

They come and go by the thousand, and pika's own way, through half a dozen objects each, would
limit a worker. Everything else, including a body of several frames, goes pika's way.

Left out: the socket, and pika's own ways in and out (see `adapter`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from pika.frame import decode_frame

from runner.brokers.rabbitmq.amqp.frames import (
    ACK,
    DELIVER,
    HEADER,
    METHOD,
    OVERHEAD,
    Delivered,
    IncompleteError,
    frame_at,
    read_ack,
    read_delivery,
    read_header,
)
from runner.brokers.rabbitmq.amqp.templates import DeliveryTemplate, Plain

METHOD_AT = OVERHEAD - 1
"""Where a method frame says its class and method."""


class Inbound(Protocol):
    """Gets a channel's deliveries."""

    def on_plain(self, plain: Sequence[Plain]) -> None:
        """Some that came together."""

    def on_delivered(self, delivered: Delivered) -> None:
        """Any other."""


class Wire:
    """`deliveries` and `acks` name the channels, by number, that take the short way.

    `soon(function)` calls `function` after the current work; `send(data)` sends;
    `other(frame)` takes a decoded frame that doesn't go the short way.
    """

    def __init__(
        self,
        *,
        soon: Callable[[Callable[[], None]], None],
        send: Callable[[bytes], None],
        other: Callable[[object], None],
    ) -> None:
        self.deliveries: dict[int, Inbound] = {}
        self.acks: dict[int, Callable[[int, bool], None]] = {}
        self._templates: dict[int, DeliveryTemplate] = {}
        self._soon = soon
        self._send = send
        self._other = other
        self._unwritten: list[bytes] = []
        self._unread = b""
        """The start of a frame, or of a delivery, whose rest is still to come."""
        self._came = 0

    def take_count(self) -> int:
        """How many deliveries have come since the last call; those that came singly don't count."""
        came, self._came = self._came, 0
        return came

    # -- out ----------------------------------------------------------------------------

    def write(self, *frames: bytes) -> None:
        """Send these soon, in one go with everything that has come together by then: a system call
        costs more than a message."""
        if not self._unwritten:
            self._soon(self.write_out)
        self._unwritten += frames

    def write_out(self) -> None:
        """Send now what has come together."""
        frames, self._unwritten = self._unwritten, []
        if frames:
            self._send(b"".join(frames))

    # -- in -----------------------------------------------------------------------------

    def read(self, data: bytes) -> int:
        """Handle all complete frames, and keep the start of the next one. Returns how many bytes
        were handled. Raises what a frame's receiver raises, or pika's error for a frame that isn't
        one; a frame that was handled never comes again."""
        buffer = self._unread + data if self._unread else data
        self._unread, offset = b"", 0
        try:
            while (found := frame_at(buffer, offset)) is not None:
                kind, channel, end = found
                after = self._shortcut(buffer, offset, channel, end) if kind == METHOD else 0
                start, offset = offset, after or end  # before what may raise: no frame comes twice
                if after:
                    continue
                decoded = read_header(buffer, start, channel) if kind == HEADER else decode_frame(buffer[start:end])[1]
                self._other(decoded)
        except IncompleteError:
            pass
        finally:
            self._unread = buffer[offset:]
        return offset

    def _shortcut(self, buffer: bytes, start: int, channel: int, end: int) -> int:
        """Handle the method frame from `start` to `end`, and its content. Returns where that ends,
        or 0 if it has to go pika's way. Raises IncompleteError."""
        if buffer.startswith(DELIVER, start + METHOD_AT) and channel in self.deliveries:
            return self._read_deliveries(buffer, start, channel, end)
        if buffer.startswith(ACK, start + METHOD_AT) and channel in self.acks:
            self.acks[channel](*read_ack(buffer, start))
            return end
        return 0

    def _read_deliveries(self, buffer: bytes, start: int, channel: int, end: int) -> int:
        template = self._templates.get(channel)
        if template is not None:
            plain, after = template.read(buffer, start)
            if plain:
                self._came += len(plain)
                self.deliveries[channel].on_plain(plain)
                return after
        delivered, after = read_delivery(buffer, start, end)
        if delivered is not None:
            if delivered.properties is None and delivered.body and not delivered.redelivered and delivered.message_id:
                self._templates[channel] = DeliveryTemplate(buffer, start, end)
            self.deliveries[channel].on_delivered(delivered)
        return after
