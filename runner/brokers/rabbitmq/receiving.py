"""pika's connection, with a short way for deliveries and confirms.

They come by the thousand, and pika's own way through half a dozen objects each is what
would limit a worker. Everything else, a body of several frames too, goes pika's way.
Overrides what pika keeps to itself, hence `pika<2`.
"""

from __future__ import annotations

from collections.abc import Callable

import pika
from pika.frame import decode_frame

from runner.brokers.rabbitmq.frames import (
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

METHOD_AT = OVERHEAD - 1
"""Where a method frame says its class and method."""


class Receiver(pika.SelectConnection):  # type: ignore[misc] # pika has no types that are told
    """`deliveries` and `acks` take the short way for the channels, by number, in them."""

    def __init__(self, *arguments: object, **keywords: object) -> None:
        self.deliveries: dict[int, Callable[[Delivered], None]] = {}
        self.acks: dict[int, Callable[[int, bool], None]] = {}
        self._frame_buffer: bytes
        super().__init__(*arguments, **keywords)

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.acks:  # the handshake, and declaring
            super()._on_data_available(data_in)
            return
        buffer = self._frame_buffer + data_in if self._frame_buffer else data_in
        self._frame_buffer, offset = b"", 0
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
            self._frame_buffer = buffer[offset:]
            self.bytes_received += offset  # the heartbeats' sign of life

    def _shortcut(self, buffer: bytes, start: int, channel: int, end: int) -> int:
        """Deal with the method frame from `start` to `end`, and with its content; where that
        ends, or 0 where it has to go pika's way. Raises IncompleteError."""
        if buffer.startswith(DELIVER, start + METHOD_AT) and channel in self.deliveries:
            delivered, after = read_delivery(buffer, start, end)
            if delivered is not None:
                self.deliveries[channel](delivered)
            return after
        if buffer.startswith(ACK, start + METHOD_AT) and channel in self.acks:
            self.acks[channel](*read_ack(buffer, start))
            return end
        return 0
