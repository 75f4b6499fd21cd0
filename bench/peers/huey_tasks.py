"""Both hops as huey tasks on SQLite, committed with `fsync`, without results. A task is
removed when it is taken: what a worker has in hand when it dies is lost.
"""

from __future__ import annotations

import uuid
from typing import Any

import orjson
from huey import SqliteHuey

from bench.clock import Clock
from bench.job import PAYMENT, check_notification, check_payment, notification_of
from bench.peers import embedded

WORKERS = 4

huey = SqliteHuey("bench", filename="huey.db", results=False, fsync=True)


class Run:
    """What the tasks share in this process."""

    clock: Clock


@huey.task()
def accept(notification: dict[str, Any]) -> None:
    check_notification(notification)
    Run.clock.arrive()


@huey.task()
def forward(payment: dict[str, Any], id: str) -> None:
    Run.clock.begin()
    accept(notification_of(check_payment(payment), id))


def fill(number: int) -> None:
    for _ in range(number):
        forward(orjson.loads(PAYMENT), uuid.uuid4().hex)


def run(clock: Clock) -> None:
    Run.clock = clock
    huey.create_consumer(workers=WORKERS, periodic=False, initial_delay=0.001).run()


if __name__ == "__main__":
    embedded.main(fill, run, huey.pending_count)
