"""What other programs send: their properties, their headers, and what is no attempt."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, get_args

import pika
import pytest

from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.reading import DEATHS, DELIVERY_COUNT
from runner.message import ATTEMPT, WAIT, Destination, Outgoing
from runner.message import Destination as At
from runner.pipeline import Queue, QueueType
from tests.brokers.conftest import Opener
from tests.brokers.holder import Holder
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, Collector, ids, topology
from tests.brokers.rabbitmq.foreign import MillisecondsType, put, retry, taken
from tests.waiting import wait_until

PROPERTIES: Mapping[str, Any] = {
    "content_type": "application/json",
    "content_encoding": "utf-8",
    "correlation_id": "c-1",
    "reply_to": "elsewhere",
    "message_id": "m-1",
    "timestamp": 1_700_000_000,
    "type": "payment",
    "app_id": "shop",
}


def test_a_senders_properties_survive_a_retry_and_a_death(
    place: RabbitPlace, open_broker: Opener, hold: Callable[..., Holder]
) -> None:
    broker = open_broker()
    put(place.address, WORK, b'{"n": 1}', headers={"trace": "abc"}, **PROPERTIES)
    holder = hold(WORK)
    holder.take(1)
    holder.kill()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    (second,) = collector.wait(1)
    assert (second.id, second.attempt, dict(second.headers)) == ("m-1", 2, {"trace": "abc"})
    broker.settle(second, [retry(second, RETRY_DELAY)])
    third = collector.wait(2)[1]
    assert (third.id, third.attempt, dict(third.headers)) == ("m-1", 3, {"trace": "abc"})
    home = Destination("", NEXT)
    broker.settle(third, [Outgoing(home, third.id, third.payload, third.headers, origin=third)])
    wait_until(lambda: place.contents(NEXT))
    properties, body = taken(place.address, NEXT)
    assert body == b'{"n": 1}'
    assert {name: getattr(properties, name) for name in PROPERTIES} == PROPERTIES
    assert properties.delivery_mode == 2


def test_what_was_to_expire_does_not_vanish_from_where_it_is_moved(place: RabbitPlace, open_broker: Opener) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, expiration="60000", message_id="m-1")
    (delivery,) = collector.wait(1)
    broker.settle(delivery, [Outgoing(Destination("", NEXT), delivery.id, b"{}", origin=delivery)])
    wait_until(lambda: place.contents(NEXT))
    properties, _ = taken(place.address, NEXT)
    assert properties.expiration is None


@pytest.mark.parametrize("attempt", ["five", -1, None, True, [1]])
def test_a_foreign_attempt_header_that_makes_no_sense_counts_as_none(
    place: RabbitPlace, open_broker: Opener, attempt: object
) -> None:
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers={ATTEMPT: attempt})
    assert collector.next().attempt == 1


def test_a_header_of_any_type_travels_through_a_retry(place: RabbitPlace, open_broker: Opener) -> None:
    headers = {
        "text": "Žofie",
        "bytes": b"\xff\x00",
        "small": -1,
        "large": 1 << 40,
        "yes": True,
        "none": None,
        "decimal": Decimal("-12.50"),
        "time": datetime(2031, 12, 31, 23, 59, 59, tzinfo=UTC),
        "list": [1, "two", [False, None]],
        "table": {"a": {"b": 1}},
    }
    broker = open_broker()
    collector = Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers=headers, message_id="m-1")
    first = collector.next()
    broker.settle(first, [retry(first, RETRY_DELAY)])
    second = collector.next()
    assert dict(first.headers) == dict(second.headers) == headers
    assert broker.available


@pytest.mark.parametrize("size", [2, 300_000])
@pytest.mark.parametrize("kind", get_args(QueueType))
def test_a_time_that_is_none_ends_no_connection_and_is_passed_on_as_it_was(
    rabbit: Callable[..., RabbitBroker],
    foreign: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    kind: QueueType,
    size: int,
) -> None:
    broker, collector = rabbit(topology(Queue(WORK, type=kind))), Collector()
    broker.consume(WORK, 10, collector)
    foreign(WORK, b"x" * size, message_id="odd", headers={"sent": MillisecondsType(1_700_000_000_000)})
    first = collector.next()
    assert (first.id, len(first.payload), first.headers) == ("odd", size, {"sent": 1_700_000_000_000})
    broker.settle(first, [Outgoing(At("", WORK), "odd", first.payload, first.headers, origin=first)])
    assert collector.next().headers == {"sent": 1_700_000_000_000}
    assert "connection" not in caplog.text


# -- what other programs must not be able to do -----------------------------------------------


@pytest.mark.parametrize("name", ["CC", "BCC", "cc", "x-delay", "X-Anything", "x-opt-annotation"])
def test_a_header_that_the_broker_acts_by_travels_no_further(
    place: RabbitPlace, open_broker: Opener, name: str
) -> None:
    """By CC and BCC RabbitMQ would route each retry, result and dead letter to others as well."""
    broker, collector = open_broker(), Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers={name: [MORE], "tenant": "a"}, message_id="m-1")
    first = collector.next()
    broker.settle(first, [retry(first, RETRY_DELAY)])
    second = collector.next()
    broker.settle(second, [Outgoing(At("", NEXT), "m-1", b"{}", second.headers, origin=second)])
    wait_until(lambda: place.contents(NEXT))
    sent_to_others = ["m-1"] if name in ("CC", "BCC") else []
    assert ids(place.contents(MORE)) == sent_to_others, "only what its sender sent there"
    properties, _ = taken(place.address, NEXT)
    assert {header for header in properties.headers if header not in (DELIVERY_COUNT, "x-acquired-count")} == {
        "tenant"
    }, "but for what the broker adds to a look"


def test_a_reply_to_the_brokers_pseudo_queue_closes_no_channel(place: RabbitPlace, open_broker: Opener) -> None:
    broker, collector = open_broker(), Collector()
    broker.consume(WORK, 10, collector)
    with closing(pika.BlockingConnection(pika.URLParameters(place.address))) as connection:
        channel = connection.channel()
        channel.basic_consume("amq.rabbitmq.reply-to", lambda *_: None, auto_ack=True)
        channel.basic_publish("", WORK, b"{}", pika.BasicProperties(message_id="m", reply_to="amq.rabbitmq.reply-to"))
        first = collector.next()
        broker.settle(first, [retry(first, RETRY_DELAY)])
        assert collector.next().attempt == 2


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63), "7", True])
@pytest.mark.parametrize("name", [ATTEMPT, WAIT, DEATHS, DELIVERY_COUNT])
def test_whatever_a_forged_count_says_the_dead_letter_can_be_written(
    place: RabbitPlace, open_broker: Opener, name: str, count: object
) -> None:
    broker, collector = open_broker(), Collector()
    broker.consume(WORK, 10, collector)
    put(place.address, WORK, headers={name: count}, message_id="m-1")
    if name == WAIT and count == 2**63 - 1:
        wait_until(lambda: broker.depths([WORK])[WORK].delayed == 1)
        return
    delivery = collector.next()
    assert 1 <= delivery.attempt <= 1_000_001
    headers = {**delivery.headers, ATTEMPT: delivery.attempt}
    broker.settle(delivery, [Outgoing(At("", NEXT), delivery.id, delivery.payload, headers, origin=delivery)])
    wait_until(lambda: ids(place.contents(NEXT)) == ["m-1"])


@pytest.mark.parametrize("headers", [{}, {"a": "b"}], ids=["plain", "with headers"])
@pytest.mark.parametrize("given", [b"", b"\xff" * 200, b"a" * 255, b"one\nline", b"\x1b[2J", "\u2028".encode()])
def test_an_id_that_nobody_can_use_is_replaced_by_one_that_lasts(
    place: RabbitPlace, open_broker: Opener, given: bytes, headers: Mapping[str, str]
) -> None:
    broker, collector = open_broker(), Collector()
    put(place.address, WORK, content_type="application/json", headers=headers or None, message_id=Raw(given))
    broker.consume(WORK, 10, collector)
    first = collector.next()
    assert re.fullmatch("[0-9a-f]{32}", first.id)
    broker.settle(first, [retry(first, RETRY_DELAY)])
    second = collector.next()
    assert (second.id, second.attempt) == (first.id, 2)


class Raw(str):
    """A short text of AMQP whose bytes are given."""

    raw: bytes

    def __new__(cls, raw: bytes) -> Raw:
        text = super().__new__(cls, raw.decode("latin-1"))
        text.raw = raw
        return text

    def encode(self, *_: object) -> bytes:
        return self.raw
