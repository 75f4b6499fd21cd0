"""RabbitMQ's work queues under an operator's eyes, beyond the contract: what is given back goes to the end."""

from __future__ import annotations

from runner.brokers.base import Broker
from runner.brokers.rabbitmq.rotation import RabbitRotation
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import WORK, ids, to


def test_all_are_seen_once_although_they_come_round_again(broker: Broker, place: RabbitPlace) -> None:
    sent = [f"m{n:02}" for n in range(25)]
    broker.publish([to(WORK, id=name) for name in sent], timeout=30)
    assert ids(RabbitRotation(broker, WORK).look()) == sent
    broker.close()
    assert sorted(ids(place.contents(WORK))) == sent


def test_an_empty_queue_is_not_consumed(broker: Broker) -> None:
    assert list(RabbitRotation(broker, WORK).look()) == []
    assert not broker.consuming(WORK)
