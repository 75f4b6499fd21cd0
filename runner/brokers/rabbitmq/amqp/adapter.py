"""pika's connection, whose bytes take the short way of `wire` if there is one.

Overrides what pika keeps to itself, hence `pika<2`; a test lists each such name, with why
it is needed, and runs against the next pika as well (`make test-pika-next`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from pika.adapters.asyncio_connection import AsyncioConnection

from runner.brokers.rabbitmq.amqp.wire import Wire

PROTOCOL_HEADER = b"AMQP"
"""What a broker that speaks another version sends instead of a frame."""
READ = 128 * 1024
"""Bytes that are read at once; pika's own 4096 hold twenty messages."""


class Adapter(AsyncioConnection):  # type: ignore[misc] # pika has no types for mypy
    """Takes the arguments of pika's class, and `soon(function)`, which calls `function` after the
    current work."""

    def __init__(self, *arguments: Any, soon: Callable[[Callable[[], None]], None], **keywords: Any) -> None:
        self.wire = Wire(soon=soon, send=self._send_and_count, other=self._process_frame)
        self._transport: Any
        super().__init__(*arguments, **keywords)

    def _proto_connection_made(self, transport: Any) -> None:
        transport._MAX_RECV_BYTES = READ  # noqa: SLF001
        if self.params.ssl_options is None:
            # The loop reports again what is left. (Not with TLS, which may have read more than it gave.)
            transport._MAX_CONSUME_BYTES = 1  # noqa: SLF001
        super()._proto_connection_made(transport)

    # -- out ----------------------------------------------------------------------------

    def close(self, *arguments: Any) -> None:
        """Hang up, after what was written before. What is written from here on is dropped: its
        channel is being closed, and a frame on it would be an error (504)."""
        self.wire.write_out()
        super().close(*arguments)

    def _send_and_count(self, data: bytes) -> None:
        if self.is_open:
            self.bytes_sent += len(data)
            self._send(data)

    def _adapter_emit_data(self, data: bytes) -> None:
        """pika's way out, after what was written before."""
        self.wire.write_out()
        self._send(data)

    def _send(self, data: bytes) -> None:
        """At once, as far as the system accepts it; pika would wait until it is told that it may."""
        transport = self._transport
        if self.params.ssl_options is None and not transport.get_write_buffer_size():
            with contextlib.suppress(OSError):  # not now, or never again: pika finds out which
                data = data[transport._sock.send(data) :]  # noqa: SLF001
        if data:
            transport.write(data)

    # -- in -----------------------------------------------------------------------------

    def _on_data_available(self, data_in: bytes) -> None:
        if not self.wire.acks and data_in.startswith(PROTOCOL_HEADER):
            super()._on_data_available(data_in)  # a broker of another version says so, and hangs up
        else:
            self.bytes_received += self.wire.read(data_in)  # the heartbeats' sign of life
