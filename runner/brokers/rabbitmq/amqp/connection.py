"""One AMQP connection, with types: from the first try to its end. pika's own stays inside.

Left out: connecting again (see `rabbitmq/connection.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pika
import pika.channel

from runner.brokers.rabbitmq.amqp.adapter import Adapter
from runner.brokers.rabbitmq.amqp.channel import Channel


class Connection:
    """A connection to one node, on an event loop. Only from the loop's thread.

    `opened()` or `failed(error)` is called once it is there or has failed, `closed(error)`
    when an open one has ended. `soon(function)` calls `function` after the current work.
    """

    def __init__(
        self,
        parameters: pika.ConnectionParameters,
        loop: asyncio.AbstractEventLoop,
        *,
        soon: Callable[[Callable[[], None]], None],
        opened: Callable[[Connection], None],
        failed: Callable[[BaseException | str], None],
        closed: Callable[[BaseException], None],
    ) -> None:
        self._adapter = Adapter(
            parameters,
            custom_ioloop=loop,
            soon=soon,
            on_open_callback=lambda _: opened(self),
            on_open_error_callback=lambda _, error: failed(error),
            on_close_callback=lambda _, error: closed(error),
        )
        self.take_count = self._adapter.wire.take_count
        """How many deliveries have come since the last call; those that came singly don't count."""
        self.flush = self._adapter.wire.write_out
        """Send now what was written."""

    @property
    def version(self) -> str:
        """Of the broker, as it says itself; empty if it doesn't."""
        found = (self._adapter.server_properties or {}).get("version", "")
        return found if isinstance(found, str) else ""

    @property
    def is_open(self) -> bool:
        return bool(self._adapter.is_open)

    @property
    def is_closing(self) -> bool:
        return bool(self._adapter.is_closing)

    @property
    def is_closed(self) -> bool:
        return bool(self._adapter.is_closed)

    @property
    def bytes_received(self) -> int:
        return int(self._adapter.bytes_received)

    def open_channel(self, opened: Callable[[Channel], None]) -> None:
        """Raises pika's ConnectionWrongStateError if the connection isn't open."""
        adapter = self._adapter

        def on_open(channel: pika.channel.Channel) -> None:
            opened(Channel(adapter.wire, channel, adapter.params.frame_max))

        adapter.channel(on_open_callback=on_open)

    def on_blocked(self, blocked: Callable[[str], None], unblocked: Callable[[], None]) -> None:
        """`blocked(reason)` is called when the broker takes no messages for now."""
        self._adapter.add_on_connection_blocked_callback(lambda _, frame: blocked(frame.method.reason))
        self._adapter.add_on_connection_unblocked_callback(lambda _, _frame: unblocked())

    def drop(self) -> None:
        """Hang up without a word: a broker that is short of memory reads nothing."""
        self._adapter._adapter_disconnect_stream()  # noqa: SLF001 - pika offers no other way

    def close(self, code: int = 200, reason: str = "Normal shutdown") -> None:
        """Hang up, after what was written before."""
        self._adapter.close(code, reason)
