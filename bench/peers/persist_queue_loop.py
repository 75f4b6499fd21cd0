"""Both hops by persist-queue's `SQLiteAckQueue`, a thread for each: get, put, ack. It commits
with SQLite's own default, `synchronous=FULL`. For one process at a time.
"""

from __future__ import annotations

import threading
import uuid
from typing import Any

import orjson
from persistqueue import SQLiteAckQueue
from persistqueue.serializers import json

from bench.clock import Clock
from bench.job import PAYMENT, check_notification, check_payment, notification_of
from bench.peers import embedded

QUEUES = ("payment_queue", "notification_queue")


def opened(name: str) -> Any:
    return SQLiteAckQueue(name, multithreading=True, serializer=json)


def fill(number: int) -> None:
    queue = opened("payment_queue")
    for _ in range(number):
        queue.put({"id": uuid.uuid4().hex, "payment": orjson.loads(PAYMENT)})


def run(clock: Clock) -> None:
    payments, notifications = map(opened, QUEUES)

    def forward() -> None:
        while True:
            taken = payments.get(raw=True)
            clock.begin()
            payment = check_payment(taken["data"]["payment"])
            notifications.put(notification_of(payment, taken["data"]["id"]))
            payments.ack(id=taken["pqid"])

    def accept() -> None:
        while True:
            taken = notifications.get(raw=True)
            check_notification(taken["data"])
            notifications.ack(id=taken["pqid"])
            clock.arrive()

    threading.Thread(target=accept, daemon=True).start()
    forward()


def left() -> int:
    return sum(opened(name).size for name in QUEUES)


if __name__ == "__main__":
    embedded.main(fill, run, left)
