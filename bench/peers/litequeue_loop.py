"""Both hops by litequeue, a thread for each: pop, put, done. A file for each queue, as its
documentation advises; `synchronous=FULL`, without which a power failure may lose a confirmed
message. A message popped by a process that dies stays locked forever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import orjson
from litequeue import LiteQueue

from bench.clock import Clock
from bench.job import PAYMENT, check_notification, check_payment, notification_of
from bench.peers import embedded

IDLE = 0.001
"""Seconds between looks at an empty queue."""


def opened(name: str) -> LiteQueue:
    queue = LiteQueue(f"{name}.db")
    queue.conn.execute("PRAGMA synchronous = FULL")
    queue.conn.execute("PRAGMA busy_timeout = 10000")
    return queue


def fill(number: int) -> None:
    queue = opened("payment_queue")
    for _ in range(number):
        queue.put(PAYMENT.decode())


def run(clock: Clock) -> None:
    def forward(body: str, id: str) -> None:
        clock.begin()
        notifications.put(orjson.dumps(notification_of(check_payment(orjson.loads(body)), id)).decode())

    def accept(body: str, _id: str) -> None:
        check_notification(orjson.loads(body))
        clock.arrive()

    notifications = opened("notification_queue")
    threading.Thread(target=work, args=("notification_queue", accept)).start()
    work("payment_queue", forward)


def work(name: str, handle: Callable[[str, str], None]) -> None:
    queue = opened(name)
    while True:
        message = queue.pop()
        if message is None:
            time.sleep(IDLE)
            continue
        handle(message.data, message.message_id)
        queue.done(message.message_id)


def left() -> int:
    return sum(opened(name).qsize() for name in ("payment_queue", "notification_queue"))


if __name__ == "__main__":
    embedded.main(fill, run, left)
