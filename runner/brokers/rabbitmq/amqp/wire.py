"""pika's connection, with a short way in for deliveries and confirms, and one out for
publishes and acks.

They come and go by the thousand, and pika's own way through half a dozen objects each is
what would limit a worker. Everything else, a body of several frames too, goes pika's way.
Overrides what pika keeps to itself, hence `pika<2`; a test lists each such name, with why
it is needed, and runs against the next pika as well (`make test-pika-next`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from pika.adapters.asyncio_connection import AsyncioConnection
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
PROTOCOL_HEADER = b"AMQP"
"""What comes in the place of a frame where a broker speaks another version."""
READ = 128 * 1024
"""Bytes that are read at once; pika's own 4096 hold twenty messages."""


class Inbound(Protocol):
    """Who gets a channel's deliveries."""

    def on_plain(self, plain: Sequence[Plain]) -> None:
        """Some that came together."""

    def on_delivered(self, delivered: Delivered) -> None:
        """Any other."""


class Wire(AsyncioConnection):  # type: ignore[misc] # pika has no types that are told
    """`deliveries` and `acks` take the short way for the channels, by number, in them.
    `soon(function)` calls `function` after what is being done now."""

    def __init__(self, *arguments: Any, soon: Callable[[Callable[[], None]], None], **keywords: Any) -> None:
        self.deliveries: dict[int, Inbound] = {}
        self.acks: dict[int, Callable[[int, bool], None]] = {}
        self._templates: dict[int, DeliveryTemplate] = {}
        self._soon = soon
        self._unwritten: list[bytes] = []
        self._unread = b""
        """The beginning of a frame, or of a delivery, whose rest has yet to come."""
        self._came = 0
        self._transport: Any
        super().__init__(*arguments, **keywords)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = READ  # noqa: SLF001
        if self.params.ssl_options is None:
            # What is left is told again. (Not with TLS, which may have read more than it gave.)
            transport._MAX_CONSUME_BYTES = 1  # noqa: SLF001
        super()._proto_connection_made(transport)

    def take_count(self) -> int:
        """How many deliveries have come since the last call; those that came singly don't count."""
        came, self._came = self._came, 0
        return came

    # -- out ----------------------------------------------------------------------------

    def write(self, *frames: bytes) -> None:
        """Send these soon, in one go with all that has come together until then: a system
        call costs more than a message."""
        if not self._unwritten:
            self._soon(self._write_out)
        self._unwritten += frames

    def close(self, *arguments: Any) -> None:
        """Hang up, behind what has been written before. What is written from here on goes
        nowhere: its channel is being closed, and a frame on it would be an error (504)."""
        self._write_out()
        super().close(*arguments)

    def _write_out(self) -> None:
        frames, self._unwritten = self._unwritten, []
        if frames and self.is_open:
            data = b"".join(frames)
            self.bytes_sent += len(data)
            self._send(data)

    def _adapter_emit_data(self, data: bytes) -> None:
        """pika's way out, behind what has been written before."""
        self._write_out()
        self._send(data)

    def _send(self, data: bytes) -> None:
        """At once, as far as the system takes it; pika would wait to be told that it may."""
        transport = self._transport
        if self.params.ssl_options is None and not transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # not now, or never again: which of them, pika finds out
                data = data[transport._sock.send(data) :]  # noqa: SLF001
        if data:
            transport.write(data)

    # -- in -----------------------------------------------------------------------------

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.acks and data_in.startswith(PROTOCOL_HEADER):
            super()._on_data_available(data_in)  # a broker of another version says so, and hangs up
            return
        buffer = self._unread + data_in if self._unread else data_in
        self._unread, offset = b"", 0
        try:
            while (found := frame_at(buffer, offset)) is not None:
                kind, channel, end = found
                after = self._shortcut(buffer, offset, channel, end) if kind == METHOD else 0
                start, offset = offset, after or end  # before what may raise: no frame comes twice
                if after:
                    continue
                decoded = read_header(buffer, start, channel) if kind == HEADER else decode_frame(buffer[start:end])[1]
                self._process_frame(decoded)
        except IncompleteError:
            pass
        finally:
            self._unread = buffer[offset:]
            self.bytes_received += offset  # the heartbeats' sign of life

    def _shortcut(self, buffer: bytes, start: int, channel: int, end: int) -> int:
        """Deal with the method frame from `start` to `end`, and with its content; where that
        ends, or 0 where it has to go pika's way. Raises IncompleteError."""
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
