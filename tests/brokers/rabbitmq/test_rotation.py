"""RabbitMQ's work queues under an operator's eyes, beyond the contract: what is given back goes to the end."""

from __future__ import annotations

from itertools import islice

from runner.brokers.base import Broker
from runner.brokers.rabbitmq.rotation import RabbitRotation
from runner.brokers.rabbitmq.shelf import waiting
from runner.topology import quarantine_queue
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import WORK, ids, to, topology


def test_all_are_seen_once_although_they_come_round_again(broker: Broker, place: RabbitPlace) -> None:
    sent = [f"m{n:02}" for n in range(25)]
    broker.publish([to(WORK, id=name) for name in sent], timeout=30)
    assert ids(RabbitRotation(broker, WORK).look()) == sent
    broker.close()
    assert sorted(ids(place.contents(WORK))) == sent


def test_an_empty_queue_is_not_consumed(broker: Broker) -> None:
    assert list(RabbitRotation(broker, WORK).look()) == []
    assert not broker.consuming(WORK)


def test_those_in_quarantine_come_round_soon_and_hide_no_others(broker: Broker, place: RabbitPlace) -> None:
    """One at a time is handed out of the quarantine: given back, it comes again before the queue ends."""
    sent, suspects = [f"m{n:03}" for n in range(200)], ["suspect1", "suspect2"]
    broker.publish([to(WORK, id=name) for name in sent], timeout=30)
    broker.publish([to(quarantine_queue(WORK), id=name) for name in suspects], timeout=30)
    assert sorted(ids(RabbitRotation(broker, WORK).look())) == sent + suspects
    broker.close()
    assert sorted(ids(place.contents(quarantine_queue(WORK)))) == suspects


def test_whoever_stops_looking_half_way_counts_no_death(broker: Broker, place: RabbitPlace) -> None:
    broker.publish([to(WORK, id=f"m{n:03}") for n in range(200)], timeout=30)
    broker.close()
    for _ in range(12):
        with waiting([place.url], "test", topology(), WORK) as on:
            assert len(ids(islice(on.look(), 20))) == 20
    assert place.contents(quarantine_queue(WORK)) == []
    assert len(place.contents(WORK)) == 200
