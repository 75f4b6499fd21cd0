"""Whatever another program sends: it is handed out once, can be moved on, and hurts nothing else."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.message import ATTEMPT, LARGEST_COUNT, Delivery, Destination, Outgoing, is_usable
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, WORK, consume, depth, to
from tests.brokers.rabbitmq.foreign import put
from tests.waiting import wait_until

SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=10) | st.binary(max_size=10)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
NAMES = st.sampled_from([ATTEMPT, "runner-deaths", "runner-stage", "x-delivery-count", "x-death", "CC"]) | st.text(
    max_size=10
)
TEXTS = st.text(st.characters(blacklist_categories=["Cs"]), max_size=20)
MESSAGES = st.fixed_dictionaries(
    {"body": st.binary(max_size=40)},
    optional={
        "message_id": TEXTS,
        "headers": st.dictionaries(NAMES, VALUES, max_size=5).filter(lambda headers: "CC" not in headers),
        "content_type": TEXTS,
        "content_encoding": TEXTS,
        "correlation_id": TEXTS,
        "reply_to": TEXTS,
        "type": TEXTS,
        "app_id": TEXTS,
        "priority": st.integers(0, 255),
        "timestamp": st.integers(0, 2**63 - 1),
    },
)
DEEP: dict[str, Any] = {}
for _ in range(300):
    DEEP = {"a": DEEP}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(MESSAGES, min_size=1, max_size=10))
@example([{"body": b"", "message_id": "a\n03:00:00 runner   error: forged", "headers": {ATTEMPT: 2**63 - 1}}])
@example([{"body": b"\xff", "headers": {"runner-wait": -(2**63), "runner-deaths": -1}, "reply_to": "amq.x"}])
@example([{"body": b"x", "message_id": "a" * 255, "headers": {"a": DEEP, "b": "x" * 100_000}}])
def test_any_message_comes_once_and_can_be_dead_lettered(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    caplog: pytest.LogCaptureFixture,
    messages: Sequence[dict[str, Any]],
) -> None:
    broker = rabbit()
    before = depth(broker, NEXT).ready
    try:
        for message in messages:
            put(place.address, WORK, **message)
        broker.publish([to(WORK, b"good", id="good")])
        collector = consume(broker)
        came = collector.wait(len(messages) + 1)
        assert [delivery.payload for delivery in came if delivery.id == "good"] == [b"good"]
        assert all(is_usable(delivery.id) for delivery in came)
        assert all(1 <= delivery.attempt <= LARGEST_COUNT + 2 for delivery in came)
        for delivery in came:
            broker.settle(delivery, [dead(delivery)])
        wait_until(lambda: depth(broker, NEXT).ready == before + len(came))
        assert depth(broker).ready == depth(broker).in_hand == 0
        assert not [record for record in caplog.records if record.levelno >= logging.ERROR or record.exc_info]
        assert all(record.getMessage().isprintable() for record in caplog.records if record.name == "runner.broker")
    finally:
        broker.close()


def dead(delivery: Delivery) -> Outgoing:
    """A dead letter, as a stage would write it."""
    headers = {**delivery.headers, ATTEMPT: delivery.attempt, "runner-error": "x" * 1000}
    return Outgoing(Destination("", NEXT), delivery.id, delivery.payload, headers, origin=delivery)
