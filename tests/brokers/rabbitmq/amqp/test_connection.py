"""One connection to a node, from the first try to its end."""

from __future__ import annotations

import asyncio

from bench.ports import free_port
from tests.brokers.rabbitmq.amqp.lives import Life


def test_it_opens_has_channels_and_closes(vhost_url: str, loop: asyncio.AbstractEventLoop) -> None:
    life = Life(vhost_url, loop)
    assert life.next() == ("opened", life.connection)
    assert life.connection.is_open
    life.open_channel()
    life.connection.close()
    assert life.connection.is_closing
    assert life.next_error() == ("closed", "Normal shutdown (200)")
    assert life.connection.is_closed


def test_a_port_where_nothing_listens_is_reported_once(loop: asyncio.AbstractEventLoop) -> None:
    life = Life(f"amqp://127.0.0.1:{free_port()}", loop)
    assert life.next_error() == ("failed", "connection refused")
