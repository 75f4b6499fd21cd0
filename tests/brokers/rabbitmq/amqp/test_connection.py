"""One connection to a node, from the first try to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.brokers.rabbitmq.url import nodes
from tests.ports import free_port

Told = tuple[str, object]


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


class Life:
    """A connection, and what is told of it."""

    def __init__(self, url: str, loop: asyncio.AbstractEventLoop) -> None:
        [node] = nodes(url)
        self._loop = loop
        self._told: asyncio.Queue[Told] = asyncio.Queue()
        self.connection = Connection(
            parameters(replace(node, connection_timeout=5), "test"),
            loop,
            soon=self._soon,
            opened=self._teller("opened"),
            failed=self._teller("failed"),
            closed=self._teller("closed"),
        )

    def _soon(self, function: Callable[[], None]) -> None:
        self._loop.call_soon(function)

    def _teller(self, what: str) -> Callable[[object], None]:
        return lambda value: self._told.put_nowait((what, value))

    def next(self) -> Told:
        return self._loop.run_until_complete(asyncio.wait_for(self._told.get(), 30))

    def next_error(self) -> tuple[str, str]:
        what, error = self.next()
        assert isinstance(error, BaseException)
        return what, explain(error)

    def open_channel(self) -> Channel:
        self.connection.open_channel(self._teller("channel"))
        what, channel = self.next()
        assert what == "channel"
        assert isinstance(channel, Channel)
        return channel


def test_it_opens_has_channels_and_closes(vhost_url: str, loop: asyncio.AbstractEventLoop) -> None:
    life = Life(vhost_url, loop)
    assert life.next() == ("opened", life.connection)
    assert life.connection.is_open
    life.open_channel()
    life.connection.close()
    assert life.connection.is_closing
    assert life.next_error() == ("closed", "Normal shutdown (200)")
    assert life.connection.is_closed


def test_a_port_where_nothing_listens_is_told_once(loop: asyncio.AbstractEventLoop) -> None:
    life = Life(f"amqp://127.0.0.1:{free_port()}", loop)
    assert life.next_error() == ("failed", "connection refused")
