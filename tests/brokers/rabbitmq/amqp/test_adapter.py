"""How bytes get past pika, on a connection to a node."""

from __future__ import annotations

import asyncio
from functools import partial

from runner.brokers.rabbitmq.amqp.frames import content_frames, publish_frame
from tests.brokers.rabbitmq.amqp.lives import Life
from tests.brokers.rabbitmq.foreign import taken


def test_what_is_written_before_the_connection_closes_arrives(vhost_url: str, loop: asyncio.AbstractEventLoop) -> None:
    life = Life(vhost_url, loop)
    life.next()
    channel = life.open_channel()
    channel.declare_queue("work", {}, partial(life.teller("queue"), "declared"))
    assert life.next() == ("queue", "declared")
    channel.write(publish_frame(channel.number, "", "work") + content_frames(channel.number, 4096, "m", {}, b"x", None))
    life.connection.close()
    assert life.next_error() == ("closed", "Normal shutdown (200)")
    properties, body = taken(vhost_url, "work")
    assert (properties.message_id, body) == ("m", b"x")
