"""A wire without a broker: bytes go in, and whatever was read is kept."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pika
from pika import frame as pika_frame
from pika import spec

from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.templates import Plain
from runner.brokers.rabbitmq.amqp.wire import Wire

FRAME_MAX = 4096
CHANNEL = 3


class Got(list[Delivered]):
    """Keeps what comes on a channel, whichever way it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.by_template = 0

    def on_delivered(self, delivered: Delivered) -> None:
        self.append(delivered)

    def on_plain(self, plain: Sequence[Plain]) -> None:
        self.by_template += len(plain)
        self += [Delivered(tag, False, message_id, None, body) for tag, message_id, body in plain]


class Nowhere(Wire):
    """A wire whose frames that go pika's way, and whose sent bytes, are kept. `soon` is at once."""

    def __init__(self) -> None:
        self.processed: list[Any] = []
        self.sent: list[bytes] = []
        super().__init__(soon=lambda function: function(), send=self.sent.append, other=self.processed.append)


def wire_to_nowhere() -> tuple[Nowhere, Got]:
    wire, got = Nowhere(), Got()
    wire.deliveries[CHANNEL] = got
    return wire, got


def method_frame(tag: int, redelivered: bool = False, key: str = "key") -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", key)
    return bytes(pika_frame.Method(CHANNEL, method).marshal())


def delivery_frames(
    tag: int, redelivered: bool, properties: pika.BasicProperties, body: bytes, channel: int = CHANNEL, key: str = "key"
) -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", key)
    frames = [pika_frame.Method(channel, method), pika_frame.Header(channel, len(body), properties)]
    frames += [pika_frame.Body(channel, body)] if body else []
    return b"".join(frame.marshal() for frame in frames)


def cut(data: bytes, pieces: Sequence[int]) -> list[bytes]:
    found = []
    for size in pieces:
        found.append(data[:size])
        data = data[size:]
    return [piece for piece in [*found, data] if piece]
