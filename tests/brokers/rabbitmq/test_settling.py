"""Settling and giving back, when the publishing channel is gone or a queue is full."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import PublishError
from runner.message import Destination as At
from runner.message import Outgoing
from runner.pipeline import Exchange, Queue
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, WORK, Collector, bound, ids, to, topology
from tests.waiting import wait_until


def fill(broker: RabbitBroker) -> Iterator[str]:
    """Publish until it is refused: RabbitMQ sees a little late that a quorum queue is full."""
    for number in range(1000):
        try:
            broker.publish([to(WORK, id=f"other{number}")])
        except PublishError:
            return
        yield f"other{number}"
    raise AssertionError("the queue never was full")


def test_what_is_given_back_to_a_full_queue_goes_there_when_it_has_room(rabbit: Callable[..., RabbitBroker]) -> None:
    broker = rabbit(topology(Queue(WORK, max_length=2)))

    class GivingBack(Collector):
        def settle_failed(self, delivery: Any, error: Any) -> None:
            super().settle_failed(delivery, error)
            moved = [message for message, _ in error.refused]
            threading.Timer(0.2, broker.settle, [delivery, moved]).start()

    collector = GivingBack()
    broker.consume(WORK, 4, collector)
    for number in range(4):
        broker.publish([to(WORK, id=f"held{number}")])
        collector.wait(number + 1)
    broker.cancel(WORK)
    others = list(fill(broker))
    broker.release(collector.wait(4))
    collector.failure()
    later = Collector()
    broker.consume(WORK, 100, later)
    for count in range(1, 5 + len(others)):
        delivery = later.wait(count)[count - 1]
        assert delivery.attempt == 1
    assert sorted(ids(later.deliveries)) == sorted([*others, "held0", "held1", "held2", "held3"])


def test_what_is_given_back_twice_goes_back_once(rabbit: Callable[..., RabbitBroker], place: RabbitPlace) -> None:
    """A stop gives back all that is in hand, and so does a consumer that gets it only then."""
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    broker.cancel(WORK)
    broker.release([delivery])
    broker.release([delivery])
    broker.close()
    assert ids(place.contents(WORK)) == ["p1"]


def test_what_is_lost_with_the_publishing_channel_is_published_again_and_is_nobodys_failure(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    rabbit_node: RabbitNode,
    vhost: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.CRITICAL)
    broker = rabbit(topology(bound("paid", "events", "k"), exchanges=[Exchange("events", "direct")]))

    class Forwarding(Collector):
        def deliver(self, deliveries: Any) -> None:
            super().deliver(deliveries)
            for delivery in deliveries:
                broker.settle(delivery, [to(NEXT, id=delivery.id)])

    collector = Forwarding()
    rabbit_node.api("DELETE", f"/exchanges/{vhost}/events")
    broker.publish([to(WORK, id=str(number)) for number in range(300)])
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    broker.consume(WORK, 300, collector)
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    wait_until(lambda: {stored.id for stored in place.contents(NEXT)} == set(map(str, range(300))))
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
    assert collector.failures == []
    assert {delivery.attempt for delivery in collector.deliveries} == {1}


def test_what_is_in_hand_leaves_well_though_the_publishing_channel_was_just_closed(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id=str(number)) for number in range(10)])
    handled, *waiting = collector.wait(10)
    broker.submit([Outgoing(At("nowhere", "k"), "no exchange", b"{}")], lambda _error: None)
    broker.settle(handled, [to(NEXT, id=handled.id)])
    broker.release(waiting)
    broker.close()
    assert ids(place.contents(NEXT)) == [handled.id]
    later = Collector()
    rabbit().consume(WORK, 10, later)
    assert {(delivery.attempt, delivery.deaths) for delivery in later.wait(9)} == {(1, 0)}
