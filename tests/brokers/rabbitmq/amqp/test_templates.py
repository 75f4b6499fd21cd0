"""Plain messages, written and read by template."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame as pika_frame

from runner.brokers.rabbitmq.amqp.frames import END, content_frames, publish_frame
from runner.brokers.rabbitmq.amqp.templates import PublishTemplate
from runner.message import Destination
from tests.brokers.rabbitmq.amqp.nowhere import (
    CHANNEL,
    FRAME_MAX,
    Got,
    cut,
    delivery_frames,
    method_frame,
    wire_to_nowhere,
)
from tests.brokers.rabbitmq.amqp.strategies import short_texts


@given(short_texts, st.integers(0, 0xFFFF), short_texts, st.binary(min_size=1, max_size=FRAME_MAX - 8))
def test_a_template_writes_what_is_written_without_it(
    exchange: str, channel: int, message_id: str, body: bytes
) -> None:
    encoded = message_id.encode()
    template = PublishTemplate(channel, Destination(exchange, "a.b"), len(encoded))
    written = template.head(encoded, len(body)) + body + END
    assert written == publish_frame(channel, exchange, "a.b") + content_frames(
        channel, FRAME_MAX, message_id, {}, body, None
    )


plain_bodies = st.binary(min_size=1, max_size=60)
mixed = st.lists(
    st.one_of(
        st.tuples(st.just("plain"), st.sampled_from(["0" * 32, "f" * 32, "short", "ä€"]), plain_bodies),
        st.tuples(st.just("plain"), short_texts, plain_bodies),
        st.tuples(st.just("redelivered"), st.just("0" * 32), plain_bodies),
        st.tuples(st.just("empty"), st.just("0" * 32), st.just(b"")),
        st.tuples(st.just("headers"), st.just("0" * 32), plain_bodies),
        st.tuples(st.just("other key"), st.just("0" * 32), plain_bodies),
        st.tuples(st.just("other channel"), st.just("0" * 32), plain_bodies),
        st.tuples(st.just("large"), st.just("0" * 32), st.just(b"x" * 10_000)),
    ),
    max_size=30,
)


@given(mixed, st.lists(st.integers(1, 2000), min_size=1, max_size=200))
@settings(deadline=None)
def test_plain_messages_are_read_among_others_in_whatever_pieces_they_come(
    sent: Sequence[tuple[str, str, bytes]], pieces: Sequence[int]
) -> None:
    receiver, got = wire_to_nowhere()
    elsewhere = Got()
    receiver.deliveries[CHANNEL + 1] = elsewhere
    data, expected = b"", []
    for tag, (kind, message_id, body) in enumerate(sent, start=1):
        properties = pika.BasicProperties("application/json", delivery_mode=2, message_id=message_id)
        if kind == "headers":
            properties.headers = {"n": tag}
        if kind == "large":
            data += method_frame(tag) + content_frames(CHANNEL, FRAME_MAX, message_id, {}, body, None)
            continue
        again, channel = kind == "redelivered", CHANNEL + (kind == "other channel")
        data += delivery_frames(tag, again, properties, body, channel, "other" if kind == "other key" else "key")
        expected.append((tag, again, message_id, kind == "headers", body))
    assert sum(receiver.read(piece) for piece in cut(data, pieces)) == len(data)
    read = sorted([*got, *elsewhere])
    assert [(tag, again, mid, bool(p and p.headers), body) for tag, again, mid, p, body in read] == expected
    assert [tag for tag, *_ in got] == sorted(tag for tag, *_ in got), "in the order in which they came"
    assert len(receiver.processed) == 5 * sum(kind == "large" for kind, _, _ in sent), "pika has the large ones"


def test_all_but_the_first_of_plain_messages_are_read_by_template() -> None:
    receiver, got = wire_to_nowhere()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    receiver.read(b"".join(delivery_frames(tag, False, properties, b"body") for tag in range(1, 101)))
    assert (len(got), got.by_template) == (100, 99)


@pytest.mark.parametrize("redelivered", [False, True])
@pytest.mark.parametrize(
    "change",
    [
        {},
        {"content_type": "application/jsox"},
        {"delivery_mode": 1},
        {"headers": {"n": 1}},
        {"message_id": "1" * 31},
        {"message_id": None, "correlation_id": "0" * 32},
        {"priority": 3},
    ],
    ids=str,
)
def test_what_is_a_little_different_from_a_plain_message_is_not_taken_for_one(
    change: dict[str, Any], redelivered: bool
) -> None:
    receiver, got = wire_to_nowhere()
    plain = {"content_type": "application/json", "delivery_mode": 2, "message_id": "0" * 32}
    other = pika.BasicProperties(**{**plain, **change})
    between = [delivery_frames(1, False, pika.BasicProperties(**plain), b"body")] * 2
    receiver.read(between[0] + delivery_frames(2, redelivered, other, b"odd") + between[1])
    assert [delivered.redelivered for delivered in got] == [False, redelivered, False]
    assert [delivered.message_id for delivered in got] == ["0" * 32, other.message_id or "", "0" * 32]
    odd = got[1].properties
    if odd is None:
        assert set(change) <= {"message_id"}
    else:
        assert all(getattr(odd, name) == value for name, value in {**plain, **change}.items())


def test_plain_messages_of_two_channels_are_kept_apart() -> None:
    receiver, got = wire_to_nowhere()
    other = receiver.deliveries[CHANNEL + 1] = Got()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    for number in (1, 2, 3):
        both = [delivery_frames(number, False, properties, b"body", channel) for channel in (CHANNEL, CHANNEL + 1)]
        receiver.read(b"".join(both))
    assert [delivered.tag for delivered in got] == [delivered.tag for delivered in other] == [1, 2, 3]


def test_a_plain_message_may_be_cut_anywhere() -> None:
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    data = b"".join(delivery_frames(tag, False, properties, b"body") for tag in (1, 2, 3))
    for at in range(len(data)):
        receiver, got = wire_to_nowhere()
        receiver.read(data[:at])
        receiver.read(data[at:])
        assert [(delivered.tag, delivered.body) for delivered in got] == [(tag, b"body") for tag in (1, 2, 3)], at


@pytest.mark.parametrize("at", ["method", "header", "body"])
def test_a_plain_message_is_not_read_over_a_broken_frame(at: str) -> None:
    receiver, got = wire_to_nowhere()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    method, header = method_frame(2), pika_frame.Header(CHANNEL, 4, properties).marshal()
    whole = delivery_frames(2, False, properties, b"body")
    end = {"method": len(method), "header": len(method) + len(header), "body": len(whole)}[at] - 1
    receiver.read(delivery_frames(1, False, properties, b"body"))
    with pytest.raises(pika.exceptions.InvalidFrameError):
        receiver.read(whole[:end] + b"\x00" + whole[end + 1 :])
    assert len(got) == 1
