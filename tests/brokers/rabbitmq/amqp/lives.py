"""A connection on a test's loop, and what it calls back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.brokers.rabbitmq.url import nodes

Told = tuple[str, object]


class Life:
    """A connection, and what it calls back."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        [node] = nodes(url)
        self._loop = loop
        self._told: asyncio.Queue[Told] = asyncio.Queue()
        self.connection = Connection(
            parameters(replace(node, connection_timeout=60), "test"),
            loop,
            soon=self._soon,
            opened=self.teller("opened"),
            failed=self.teller("failed"),
            closed=self.teller("closed"),
        )

    def _soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon(function)

    def teller(self, what: str) -> Callable[[object], None]:
        """A callback that keeps its value, named `what`, for `next`."""
        return lambda value: self._told.put_nowait((what, value))

    def next(self) -> Told:
        return self._loop.run_until_complete(asyncio.wait_for(self._told.get(), 30))

    def next_error(self) -> tuple[str, str]:
        what, error = self.next()
        assert isinstance(error, BaseException)
        return what, explain(error)

    def open_channel(self) -> Channel:
        self.connection.open_channel(self.teller("channel"))
        what, channel = self.next()
        assert what == "channel"
        assert isinstance(channel, Channel)
        return channel
