"""Publishing: what can't be written, what is cut into frames, and what comes back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import PublishError
from runner.message import ATTEMPT, LOOKS, STRIPPED, VIA, Outgoing
from runner.message import Destination as At
from runner.pipeline import Exchange
from tests.brokers.conftest import Opener
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, RETRY_DELAY, WORK, Collector, bound, to, topology
from tests.brokers.rabbitmq.conftest import OpenBoth
from tests.waiting import TIMEOUT, wait_until


@pytest.mark.parametrize("header", [1 << 64, object(), Decimal("1E+30"), "x" * 200_000], ids=lambda h: type(h).__name__)
def test_a_header_that_amqp_cannot_hold_is_refused_and_nothing_else_is_hurt(
    place: RabbitPlace, open_broker: Opener, header: object
) -> None:
    broker = open_broker()
    with pytest.raises(PublishError, match="header"):
        broker.publish([to(NEXT, headers={"odd": header}), to(NEXT, id="m-1")])
    assert [message.id for message in place.contents(NEXT)] == ["m-1"]


@pytest.mark.parametrize("size", [0, 1, 131_064, 131_065, 1_000_000])
def test_a_body_of_any_size_is_cut_into_frames_and_put_together_again(
    place: RabbitPlace, open_broker: Opener, size: int
) -> None:
    body = bytes(n % 251 for n in range(size))
    open_broker().publish([to(NEXT, body)])
    assert [message.payload for message in place.contents(NEXT)] == [body]


def test_what_does_not_fit_into_a_frame_is_moved_on_without_its_senders_headers(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace, caplog: pytest.LogCaptureFixture
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1", headers={"large": "x" * 100_000})])
    delivery = collector.next()
    headers = {**delivery.headers, "runner-error": "y" * 40_000, ATTEMPT: 1}
    broker.settle(delivery, [Outgoing(At("", NEXT), "p1", b"{}", headers, origin=delivery)])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
    (stored,) = place.contents(NEXT)
    assert (stored.id, set(stored.headers)) == ("p1", {"runner-error", ATTEMPT, STRIPPED})
    assert "message p1 is moved on without its sender's headers" in caplog.text


def test_headers_nested_too_deep_to_be_written_are_left_behind(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="p1")])
    delivery = collector.next()
    nested: dict[str, Any] = {}
    for _ in range(2000):
        nested = {"a": nested}
    headers = {"theirs": nested, "runner-error": "x", ATTEMPT: 1, LOOKS: 2, VIA: "a1b2"}
    broker.settle(delivery, [Outgoing(At("", NEXT), "p1", b"{}", headers, origin=delivery)])
    wait_until(lambda: place.contents(NEXT))
    (stored,) = place.contents(NEXT)
    assert set(stored.headers) == {"runner-error", ATTEMPT, STRIPPED, LOOKS, VIA}
    assert (stored.headers[LOOKS], stored.headers[VIA]) == (2, "a1b2"), "or it would be handled instead of looked up"


@pytest.mark.parametrize("delay", [0, RETRY_DELAY])
def test_a_return_belongs_to_the_message_that_came_back(open_both: OpenBoth, delay: float) -> None:
    """An id is the same in all stages: two messages of one id may be outstanding."""
    exchanges = [Exchange("good", "direct"), Exchange("bad", "direct")]
    broker, connection = open_both(topology(bound("paid", "good", "k"), exchanges=exchanges))
    collector = Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, id="same"), to(WORK, id="same")])
    first, second = collector.wait(2)
    go_on = threading.Event()
    # Both are then written before either is confirmed.
    connection.call(go_on.wait, TIMEOUT)
    good = At("", WORK) if delay else At("good", "k")
    broker.settle(first, [Outgoing(good, "same", b"{}", {ATTEMPT: 1} if delay else {}, delay=delay)])
    broker.settle(second, [Outgoing(At("bad", "k"), "same", b"{}")])
    go_on.set()
    failed, _error = collector.failure()
    assert failed is second


def test_a_dead_letter_with_an_id_that_no_property_holds_is_still_written(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    broker.publish([to(WORK, b"[1]", id="p1")])
    delivery = collector.next()
    broker.settle(delivery, [Outgoing(At("", NEXT), "p" * 300, b"[1]", {ATTEMPT: 3, "odd": {1, 2}}, origin=delivery)])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
    (stored,) = place.contents(NEXT)
    assert stored.payload == b"[1]"
    assert stored.headers == {ATTEMPT: 3, STRIPPED: "neither its id nor its headers could be written"}
