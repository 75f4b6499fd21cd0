"""One AMQP connection, with types: from the first try to its end. pika's own stays inside.

Left out: connecting again, which is `rabbitmq/connection.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pika

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.wire import Wire


class Connection:
    """A connection to one node, on an event loop. Only from the loop's thread.

    `opened()` or `failed(error)` is called once it is there or can't be had, `closed(error)`
    when an open one has come to its end. `soon(function)` calls `function` after what is
    being done now.
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
        self._wire = Wire(
            parameters,
            custom_ioloop=loop,
            soon=soon,
            on_open_callback=lambda _wire: opened(self),
            on_open_error_callback=lambda _wire, error: failed(error),
            on_close_callback=lambda _wire, error: closed(error),
        )
        self.take_count = self._wire.take_count
        """How many deliveries have come since the last call; those that came singly don't count."""

    @property
    def is_open(self) -> bool:
        return bool(self._wire.is_open)

    @property
    def is_closing(self) -> bool:
        return bool(self._wire.is_closing)

    @property
    def is_closed(self) -> bool:
        return bool(self._wire.is_closed)

    def open_channel(self, opened: Callable[[Channel], None]) -> None:
        """Raises pika's ConnectionWrongStateError where the connection isn't open."""
        self._wire.channel(on_open_callback=lambda channel: opened(Channel(self._wire, channel)))

    def on_blocked(self, blocked: Callable[[str], None], unblocked: Callable[[], None]) -> None:
        """`blocked(reason)` is called when the broker takes no messages for now."""
        self._wire.add_on_connection_blocked_callback(lambda _wire, frame: blocked(frame.method.reason))
        self._wire.add_on_connection_unblocked_callback(lambda _wire, _frame: unblocked())

    def close(self, code: int = 200, reason: str = "Normal shutdown") -> None:
        """Hang up, behind what has been written before."""
        self._wire.close(code, reason)
