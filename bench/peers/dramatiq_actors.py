"""Both hops as Dramatiq actors: an actor acks when it returns, and with `confirm_delivery`
its `send` returns when the broker has confirmed.

Run by Dramatiq's own command; run directly, `python -m bench.peers.dramatiq_actors N` fills the queue.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import dramatiq
import orjson
from dramatiq.brokers.rabbitmq import RabbitmqBroker

from bench.job import PAYMENT, check_notification, check_payment, notification_of

dramatiq.set_broker(RabbitmqBroker(url=os.environ["AMQP_URL"], confirm_delivery=True))


@dramatiq.actor(queue_name="notification_queue")
def accept(notification: dict[str, Any]) -> None:
    check_notification(notification)


@dramatiq.actor(queue_name="payment_queue")
def forward(payment: dict[str, Any], id: str) -> None:
    accept.send(notification_of(check_payment(payment), id))


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        forward.send(orjson.loads(PAYMENT), uuid.uuid4().hex)
