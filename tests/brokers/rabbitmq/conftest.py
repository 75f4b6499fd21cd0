"""Fixtures of RabbitMQ's own tests: a place, a broker there, and another program."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from typing import Any

import pika
import pika.data
import pytest

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.events import UNWATCHED, Events
from runner.topology import Topology
from tests.brokers.conftest import Opener
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import topology
from tests.brokers.rabbitmq.foreign import MillisecondsType


@pytest.fixture
def place(vhost_url: str) -> RabbitPlace:
    """Only RabbitMQ here."""
    return RabbitPlace(vhost_url)


@pytest.fixture
def rabbit(open_broker: Opener) -> Callable[..., RabbitBroker]:
    def open_one(plan: Topology | None = None, events: Events = UNWATCHED) -> RabbitBroker:
        broker = open_broker(plan, events=events)
        assert isinstance(broker, RabbitBroker)
        return broker

    return open_one


class CountedConnection(RobustConnection):
    """Counts what it is asked to call."""

    calls = 0

    def call(self, function: Callable[..., Any], *arguments: Any) -> None:
        super().call(function, *arguments)
        self.calls += 1


OpenBoth = Callable[..., tuple[RabbitBroker, CountedConnection]]


@pytest.fixture
def open_both(vhost_url: str) -> Iterator[OpenBoth]:
    """Start a broker, and give it together with its connection, whose thread a test may keep busy."""
    with ExitStack() as opened:

        def open_one(
            plan: Topology | None = None,
            events: Events = UNWATCHED,
            loop: asyncio.AbstractEventLoop | None = None,
        ) -> tuple[RabbitBroker, CountedConnection]:
            made: list[CountedConnection] = []

            def connection(nodes: Sequence[BrokerNode], name: str) -> CountedConnection:
                made.append(CountedConnection(nodes, name))
                return made[0]

            broker = RabbitBroker([vhost_url], "test", events, connection=connection)
            opened.callback(broker.close)
            broker.start(plan or topology(), timeout=30, loop=loop)
            return broker, made[0]

        yield open_one


@pytest.fixture
def foreign(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Publish as another program does, with timestamps of whatever size in its headers."""
    encode = pika.data.encode_value

    def encode_value(pieces: list[bytes], value: Any) -> int:
        if isinstance(value, MillisecondsType):
            pieces.append(struct.pack(">cQ", b"T", value))
            return 9
        return int(encode(pieces, value))

    monkeypatch.setattr(pika.data, "encode_value", encode_value)
    with ExitStack() as opened:

        def publish(queue: str, body: bytes = b"{}", **properties: Any) -> None:
            connection = opened.enter_context(closing(pika.BlockingConnection(pika.URLParameters(vhost_url))))
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties))

        yield publish
