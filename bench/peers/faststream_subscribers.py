"""Both hops as FastStream subscribers on uvloop, publisher confirms on as by default, a
prefetch of 200; a message is acked when its subscriber returns."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import uvloop
from faststream import AckPolicy, FastStream
from faststream.rabbit import Channel, QueueType, RabbitBroker, RabbitMessage, RabbitQueue

from bench.job import check_notification, check_payment, notification_of

broker = RabbitBroker(os.environ["AMQP_URL"], default_channel=Channel(prefetch_count=200), logger=None)


def _queue(name: str) -> RabbitQueue:
    return RabbitQueue(name, durable=True, queue_type=QueueType.QUORUM)


@broker.subscriber(_queue("payment_queue"), ack_policy=AckPolicy.NACK_ON_ERROR)
async def forward(payment: dict[str, Any], message: RabbitMessage) -> None:
    notification = notification_of(check_payment(payment), message.message_id)
    await broker.publish(notification, "notification_queue", mandatory=True, persist=True)


@broker.subscriber(_queue("notification_queue"), ack_policy=AckPolicy.NACK_ON_ERROR)
async def accept(notification: dict[str, Any]) -> None:
    check_notification(notification)


if __name__ == "__main__":
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.run(FastStream(broker, logger=None).run())
