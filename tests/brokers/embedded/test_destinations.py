"""Where a message goes in the file, and why it can't go there."""

from __future__ import annotations

import pytest

from runner.brokers.embedded import destinations
from runner.errors import PublishError
from runner.message import Destination, Outgoing
from runner.pipeline import Exchange, Queue
from tests.brokers.embedded.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, bound, consume, ids, to, topology


@pytest.mark.parametrize(
    ("destination", "reason"),
    [
        (Destination("", "nowhere"), "no queue of that name"),
        (Destination("events", "paid"), "no queue is bound to exchange events for key 'paid'"),
    ],
)
def test_what_no_queue_takes_is_refused_and_why_is_said(
    open_broker: Opener, destination: Destination, reason: str
) -> None:
    broker = open_broker(topology(bound("refunds", "events", "refunded"), exchanges=[Exchange("events", "direct")]))
    with pytest.raises(PublishError) as error:
        broker.publish([to(NEXT), Outgoing(destination, "m1", b"{}")])
    assert [(message.id, why) for message, why in error.value.refused] == [("m1", reason)]


def test_a_payload_that_is_too_large_is_refused(
    open_broker: Opener, place: EmbeddedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "MAX_PAYLOAD", 2)
    with pytest.raises(PublishError, match="larger than 2 bytes"):
        open_broker().publish([to(NEXT, b"{}", id="fits"), to(NEXT, b"{ }")])
    assert ids(place.contents(NEXT)) == ["fits"]


def test_however_many_routing_keys_there_are_each_message_reaches_its_queue(
    open_broker: Opener, place: EmbeddedPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(destinations, "_KEPT_ROUTES", 2)
    broker = open_broker(topology(bound("orders", "events", "order.*"), exchanges=[Exchange("events", "topic")]))
    keys = [f"order.{number % 4}" for number in range(8)]
    broker.publish([Outgoing(Destination("events", key), f"m{number}", b"{}") for number, key in enumerate(keys)])
    assert ids(place.contents("orders")) == [f"m{number}" for number in range(8)]


def test_a_full_queue_counts_neither_what_is_in_hand_nor_what_is_delayed(open_broker: Opener) -> None:
    plan = topology(Queue(WORK, max_length=2))
    broker = open_broker(plan)
    collector = consume(broker, prefetch=3)
    broker.publish([to(WORK, delay=3600)])
    for _ in range(3):
        broker.publish([to(WORK)])
        collector.next()
    broker.publish([to(WORK), to(WORK)])
    with pytest.raises(PublishError, match=r"work: the queue is full \(max_length 2\)"):
        broker.publish([to(WORK)])
