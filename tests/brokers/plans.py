"""The topology of the contract suite, and its consumers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from runner.brokers.base import Broker, Consumer, Depth
from runner.errors import BrokerAwayError, PublishError
from runner.message import ATTEMPT, Delivery, Destination, Outgoing, new_id
from runner.pipeline import Binding, Exchange, Pipeline, Queue, Stage
from runner.retry import RetryPolicy
from runner.topology import Topology, plan
from tests.waiting import TIMEOUT

T = TypeVar("T")

RETRY_DELAY = 0.3
"""Seconds; the one delay that WORK's retries wait."""

WORK = "work"
"""The queue that is consumed; a second one, `more`, is as well."""
MORE = "more"
NEXT = "next"
"""A queue that nobody consumes: what is published on it stays to be looked at."""


def topology(*queues: Queue, exchanges: Sequence[Exchange] = (), wait: float = RETRY_DELAY) -> Topology:
    """A pipeline's with a stage each on `work` and `more`; with `queues` besides or instead."""
    named = {queue.name: queue for queue in (Queue(WORK), Queue(MORE), Queue(NEXT), *queues)}
    policy = RetryPolicy(attempts=5, delay=wait, factor=1.0, max_delay=300.0)
    stages = {f"on_{name}": Stage(f"on_{name}", name, "unused:unused", retry=policy) for name in (WORK, MORE)}
    kinds = {exchange.name: exchange for exchange in exchanges}
    return plan(Pipeline("contract", Path("pipeline.yaml"), (), named, stages, kinds))


def alone(queue: Queue, wait: float = 60.0) -> Topology:
    """A pipeline's with that queue only, and a stage on it whose retries wait for so many seconds."""
    stage = Stage(
        "one", queue.name, "unused:unused", retry=RetryPolicy(attempts=2, delay=wait, factor=1.0, max_delay=wait)
    )
    return plan(Pipeline("contract", Path("pipeline.yaml"), (), {queue.name: queue}, {stage.name: stage}))


def bound(name: str, exchange: str, *keys: str) -> Queue:
    return Queue(name, bind=tuple(Binding(exchange, key) for key in keys))


def to(queue: str, payload: bytes = b"{}", **properties: object) -> Outgoing:
    """A message for `queue`, with a fresh id unless `id` is given."""
    message_id = str(properties.pop("id", "")) or new_id()
    return Outgoing(Destination("", queue), message_id, payload, **properties)  # type: ignore[arg-type]


class HasId(Protocol):
    @property
    def id(self) -> str: ...


def ids(items: Iterable[HasId]) -> list[str]:
    return [item.id for item in items]


class Collector(Consumer):
    """A consumer that keeps what it is handed, and can be waited for."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.deliveries: list[Delivery] = []
        self.failures: list[tuple[Delivery, PublishError]] = []

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        with self._changed:
            self.deliveries.extend(deliveries)
            self._changed.notify_all()

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        with self._changed:
            self.failures.append((delivery, error))
            self._changed.notify_all()

    def wait(self, count: int) -> list[Delivery]:
        """The deliveries, once there are `count` of them in all."""
        with self._changed:
            enough = self._changed.wait_for(lambda: len(self.deliveries) >= count, TIMEOUT)
            assert enough, f"{len(self.deliveries)} of {count} deliveries came within {TIMEOUT:g} s"
            return list(self.deliveries)

    def next(self) -> Delivery:
        """Wait for one delivery, and forget it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.deliveries, TIMEOUT), "no delivery came"
            return self.deliveries.pop(0)

    def failure(self) -> tuple[Delivery, PublishError]:
        """Wait for a settlement that failed, and forget it."""
        with self._changed:
            assert self._changed.wait_for(lambda: self.failures, TIMEOUT), "no settlement failed"
            return self.failures.pop(0)


def consume(broker: Broker, queue: str = WORK, prefetch: int = 100) -> Collector:
    """Begin to take from a queue, and keep what comes."""
    collector = Collector()
    broker.consume(queue, prefetch, collector)
    return collector


def depth(broker: Broker, queue: str = WORK) -> Depth:
    """Where there are no strangers: on a busy machine, a worker that answers the roll call too late
    counts as one, and is asked again."""
    deadline = time.monotonic() + TIMEOUT
    while (found := broker.depths([queue])[queue]).strangers and time.monotonic() < deadline:
        pass
    return found


def turned_away(submit: Callable[[], T]) -> tuple[list[T], str]:
    """Submit until the broker takes no more: what it returned until then, and why it takes no more."""
    taken: list[T] = []
    for _ in range(1_000_000):
        try:
            taken.append(submit())
        except BrokerAwayError as error:
            return taken, str(error)
    raise AssertionError("it takes whatever comes")


def retry_of(delivery: Delivery, attempts: int) -> Outgoing:
    headers = {**delivery.headers, ATTEMPT: attempts}
    return to(WORK, delivery.payload, id=delivery.id, headers=headers, delay=RETRY_DELAY, origin=delivery)
