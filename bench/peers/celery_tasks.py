"""Both hops as Celery tasks: acked late, published with confirms, on quorum queues, without
a result backend, and with a high prefetch multiplier, as its guide to optimizing says for
short tasks.

Run by Celery's own command; run directly, `python -m bench.peers.celery_tasks N` fills the queue.
"""

from __future__ import annotations

import os
import sys
import uuid
from typing import Any

import orjson
from celery import Celery
from kombu import Exchange, Queue

from bench.job import PAYMENT, check_notification, check_payment, notification_of


def _queue(name: str) -> Queue:
    return Queue(name, Exchange(name, type="topic"), routing_key=name, queue_arguments={"x-queue-type": "quorum"})


app = Celery("bench", broker=os.environ["AMQP_URL"])
app.conf.update(
    task_queues=[_queue("payment_queue"), _queue("notification_queue")],
    task_default_queue="payment_queue",
    task_default_queue_type="quorum",
    task_acks_late=True,
    task_ignore_result=True,
    broker_transport_options={"confirm_publish": True},
    broker_connection_retry_on_startup=True,
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
)


@app.task(name="accept")
def accept(notification: dict[str, Any]) -> None:
    check_notification(notification)


@app.task(name="forward")
def forward(payment: dict[str, Any], id: str) -> None:
    accept.apply_async((notification_of(check_payment(payment), id),), queue="notification_queue")


if __name__ == "__main__":
    for _ in range(int(sys.argv[1])):
        forward.apply_async((orjson.loads(PAYMENT), uuid.uuid4().hex), queue="payment_queue")
