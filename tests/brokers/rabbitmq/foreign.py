"""What another program does on RabbitMQ, and how a stage retries."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pika
import pika.data

from runner.message import ATTEMPT, Delivery, Destination, Outgoing


class MillisecondsType(int):
    """A timestamp that another program writes in milliseconds."""


def put(url: str, queue: str, body: bytes = b"{}", **properties: Any) -> None:
    """Publish as another program does."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2, **properties), mandatory=True)


def taken(url: str, queue: str) -> tuple[pika.BasicProperties, bytes]:
    """The one message on a queue, with all its properties."""
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        _, properties, body = channel.basic_get(queue, auto_ack=True)
        assert properties is not None
        return properties, body


def consumers_of(url: str, queue: str) -> int:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        return int(connection.channel().queue_declare(queue, passive=True).method.consumer_count)


def retry(delivery: Delivery, delay: float) -> Outgoing:
    headers = {**delivery.headers, ATTEMPT: delivery.attempt}
    home = Destination("", delivery.queue)
    return Outgoing(home, delivery.id, delivery.payload, headers, delay=delay, origin=delivery)
