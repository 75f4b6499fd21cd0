"""Consuming a queue: waits made of several, classic queues, ids that last."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.base import Depth
from runner.brokers.rabbitmq import consuming
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.message import ATTEMPT, WAIT
from runner.pipeline import Pipeline, Queue, Stage
from runner.retry import RetryPolicy
from runner.topology import plan
from tests.brokers.conftest import Opener
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import RETRY_DELAY, WORK, Collector, depth, to, topology
from tests.brokers.rabbitmq.foreign import retry
from tests.waiting import wait_until


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time since a large body has come: it stands still, however busy the machine is, until a test sets it."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(consuming, "time", SimpleNamespace(monotonic=lambda: clock.now))
    monkeypatch.setattr(consuming, "WIDEN_AFTER", 0.1)
    return clock


def test_a_wait_that_is_longer_than_the_longest_queue_for_it_is_made_of_several(
    place: RabbitPlace, open_broker: Opener
) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="m-1")])
    first = collector.next()
    asked = time.monotonic()
    broker.settle(first, [retry(first, RETRY_DELAY * 3)])
    second = collector.next()
    assert time.monotonic() - asked >= RETRY_DELAY * 3 - 0.05
    assert (second.id, second.attempt, dict(second.headers)) == ("m-1", 2, {})


def test_a_classic_queue_counts_the_deaths_of_its_holders_too(
    rabbit_node: RabbitNode, vhost: str, open_broker: Opener
) -> None:
    broker = open_broker(topology(Queue(WORK, type="classic")))
    broker.publish([to(WORK, id="m-1")])
    collector = Collector()
    broker.consume(WORK, 10, collector)
    for attempt in (1, 2, 3):
        delivery = collector.next()
        assert (delivery.id, delivery.attempt) == ("m-1", attempt)
        rabbit_node.close_connections(vhost)


def test_a_retry_that_waits_for_a_stage_without_retries_any_more_ends_no_connection(
    rabbit: Callable[..., RabbitBroker], foreign: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    stage = Stage("s", WORK, "unused:unused", retry=RetryPolicy(attempts=1, delay=2.0, factor=3.0, max_delay=300.0))
    broker = rabbit(plan(Pipeline("p", Path("p.yaml"), (), {WORK: Queue(WORK)}, {"s": stage}, {})))
    collector = Collector()
    broker.consume(WORK, 10, collector)
    foreign(WORK, message_id="waits", headers={WAIT: 1 << 42, ATTEMPT: 1})
    delivery = collector.next()
    assert (delivery.id, delivery.attempt) == ("waits", 2)
    assert "connection" not in caplog.text


def test_a_message_without_an_id_gets_one_that_lasts(
    rabbit: Callable[..., RabbitBroker], foreign: Callable[..., None], hold: Callable[..., Any]
) -> None:
    broker = rabbit()
    foreign(WORK)
    holder = hold(WORK)
    (given,) = holder.take(1)
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 1)  # the one without an id is acked
    holder.kill()
    assert hold(WORK).take(1) == {given: 2}


def test_where_bodies_are_large_fewer_are_taken_in_advance_until_they_are_small_again(
    rabbit: Callable[..., RabbitBroker], clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "HELD_BYTES", 4 * 2**20)
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 100, collector)
    wait_until(lambda: broker.consuming(WORK))
    large = bytes(2**20)
    broker.publish([to(WORK, large) for _ in range(6)])
    collector.wait(5)  # the sixth may come too, before the broker knows that it rests
    wait_until(lambda: not broker._consumers.subscriptions[WORK]._asked)  # it rests, with too much in hand
    assert broker.consuming(WORK), "nobody has to look after a stage that only rests"
    wait_until(lambda: depth(broker).in_hand == len(collector.deliveries))
    first = list(collector.deliveries)
    broker.publish([to(WORK, large) for _ in range(20)])
    for delivery in first:
        broker.settle(delivery, [])
    collector.wait(len(first) + 4)
    wait_until(lambda: depth(broker) == Depth(ready=22 - len(first), in_hand=4, consumers=1))
    for came in range(len(first), 26):
        broker.settle(collector.wait(came + 1)[came], [])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    clock.now += consuming.WIDEN_AFTER
    broker.publish([to(WORK) for _ in range(50)])
    collector.wait(76)


@pytest.mark.usefixtures("clock")
def test_of_a_backlog_of_large_bodies_no_more_come_than_have_room(
    rabbit: Callable[..., RabbitBroker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consuming, "HELD_BYTES", 4 * 2**20)
    broker, collector = rabbit(), Collector()

    def is_left(count: int) -> bool:
        return depth(broker) == Depth(ready=max(0, count - 2), in_hand=min(2, count), consumers=1)

    broker.publish([to(WORK, bytes(2 * 2**20), id=str(number)) for number in range(12)])
    broker.consume(WORK, 500, collector)
    wait_until(lambda: depth(broker) == Depth(ready=9, in_hand=3, consumers=1))  # the one that was looked at, and two
    for left in range(11, -1, -1):
        broker.settle(collector.next(), [])
        wait_until(partial(is_left, left))
    assert collector.deliveries == []


def test_of_a_backlog_of_small_bodies_as_many_come_as_the_prefetch_says(rabbit: Callable[..., RabbitBroker]) -> None:
    broker, collector = rabbit(), Collector()
    broker.publish([to(WORK, id=str(number)) for number in range(600)])
    broker.consume(WORK, 500, collector)
    first = collector.wait(501)  # the one that was looked at, and 500
    wait_until(lambda: depth(broker) == Depth(ready=99, in_hand=501, consumers=1))
    assert [delivery.id for delivery in first] == [str(number) for number in range(501)]
    for delivery in first:
        broker.settle(delivery, [])
    assert {delivery.attempt for delivery in collector.wait(600)} == {1}
