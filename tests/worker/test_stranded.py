"""What the broker lets go nowhere stays in hand, and is settled until it can go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest

from runner.brokers.base import Broker, Consumer
from runner.brokers.registry import connect
from runner.errors import PublishError
from runner.message import Delivery, Destination, Outgoing, new_id
from runner.topology import plan
from runner.worker import stranded
from runner.worker.stranded import Stranded
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: test
    broker: BROKER
    queues:
      work: {}
      other: {}
"""
NOWHERE, SOMEWHERE = Destination("", "nowhere"), Destination("", "other")


class Refused(Consumer):
    """Passes every delivery on, to where the broker takes nothing the first three times."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._stranded = Stranded(broker)
        self.refused: Counter[str] = Counter()

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._broker.settle(delivery, [Outgoing(NOWHERE, new_id(), b"{}")])

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        self.refused[delivery.id] += 1
        destination = NOWHERE if self.refused[delivery.id] < 3 else SOMEWHERE
        self._stranded.hold(delivery, [Outgoing(destination, new_id(), b"{}")])


def test_what_is_refused_again_and_again_leaves_the_hand_once_it_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stranded, "STRANDED_DELAY", 0.05)
    pipeline = loaded(tmp_path, PIPELINE).pipeline
    broker = connect(pipeline, "test")
    broker.start(plan(pipeline))
    consumer = Refused(broker)
    try:
        broker.publish([Outgoing(Destination("", "work"), name, b"{}") for name in ("a", "b")])
        broker.consume("work", 10, consumer)
        wait_until(lambda: broker.depths(["other"])["other"].ready == 2)
        wait_until(lambda: broker.depths(["work"])["work"].in_hand == 0)
        assert broker.depths(["work"])["work"].ready == 0
    finally:
        broker.close()
    assert consumer.refused == {"a": 3, "b": 3}
