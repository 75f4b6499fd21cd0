"""What one transaction does: settle, publish, take."""

from __future__ import annotations

import pytest

from runner.brokers.base import Depth
from runner.brokers.embedded import messages, turn
from runner.pipeline import Queue
from tests.brokers.embedded.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, Collector, consume, depth, ids, to, topology
from tests.waiting import wait_until


def test_a_settlement_that_is_refused_in_part_stores_nothing(open_broker: Opener, place: EmbeddedPlace) -> None:
    broker = open_broker(topology(Queue("small", max_length=1)))
    collector = consume(broker)
    broker.publish([to(WORK)])
    delivery = collector.next()
    broker.settle(delivery, [to(NEXT), to("small"), to("small", id="too much")])
    assert ids(message for message, _ in collector.failure()[1].refused) == ["too much"]
    broker.settle(delivery, [to(NEXT), to("nowhere")])
    collector.failure()
    assert place.contents(NEXT) == place.contents("small") == []


def test_what_is_released_comes_again_at_its_place(open_broker: Opener) -> None:
    broker = open_broker()
    broker.publish([to(WORK, id=str(number)) for number in range(6)])
    taken = consume(broker, prefetch=4).wait(4)
    broker.cancel(WORK)
    broker.release([taken[3], taken[1]])
    wait_until(lambda: depth(broker).in_hand == 2)
    assert ids(consume(broker).wait(4)) == ["1", "3", "4", "5"]


def test_settling_twice_is_settling_once(open_broker: Opener) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK)])
    delivery = collector.next()
    broker.settle(delivery, [to(NEXT)])
    broker.settle(delivery, [to(NEXT)])
    broker.release([delivery])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    assert depth(broker, NEXT) == Depth(ready=1)


@pytest.mark.usefixtures("one_tick")
def test_large_messages_are_taken_a_few_at_a_time(open_broker: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.brokers.embedded.messages.CLAIM_BYTES", 3 * 2**20)
    broker = open_broker()
    batches: list[int] = []

    class Counting(Collector):
        def deliver(self, deliveries: object) -> None:
            batches.append(len(deliveries))  # type: ignore[arg-type]
            super().deliver(deliveries)  # type: ignore[arg-type]

    broker.publish([to(WORK, bytes(2**20)) for _ in range(8)])
    collector = Counting()
    broker.consume(WORK, 100, collector)
    collector.wait(8)
    assert max(batches) == 3


def test_a_stage_that_holds_large_bodies_takes_no_more_in_advance(
    open_broker: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(messages, "CLAIM_BYTES", 2 * 2**20)
    monkeypatch.setattr(turn, "HELD_BYTES", 4 * 2**20)
    broker = open_broker()
    broker.publish([to(WORK, bytes(2**20)) for _ in range(20)])
    collector = consume(broker)
    collector.wait(4)
    broker.publish([to(NEXT)])  # a turn more
    assert depth(broker) == Depth(ready=16, in_hand=4, consumers=1)
    for came in range(20):
        broker.settle(collector.wait(came + 1)[came], [])
    wait_until(lambda: depth(broker) == Depth(consumers=1))
