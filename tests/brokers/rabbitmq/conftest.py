"""Fixtures of RabbitMQ's own tests: a place, a broker there, and another program."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from typing import Any

import pika
import pika.data
import pytest

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.events import UNWATCHED, Events
from runner.topology import Topology
from tests.brokers.conftest import Opener
from tests.brokers.places import RabbitPlace
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
