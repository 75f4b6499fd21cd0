"""The frames that are read and written past pika, held against pika's own."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame as pika_frame
from pika import spec

from runner.brokers.rabbitmq.amqp.fields import Properties
from runner.brokers.rabbitmq.amqp.frames import END, Delivered, ack_frame, content_frames, publish_frame, read_header
from runner.brokers.rabbitmq.amqp.templates import Plain, PublishTemplate
from runner.brokers.rabbitmq.amqp.wire import Wire
from runner.message import Destination

FRAME_MAX = 4096
CHANNEL = 3

texts = st.text(max_size=20)
short_texts = st.text(st.characters(codec="utf-8"), max_size=60)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.none(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.binary(max_size=20),
    st.decimals(-9999, 9999, places=2),
    st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001
        lambda moment: moment.replace(microsecond=0)
    ),
)
values = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3))
)
headers = st.dictionaries(texts, values, max_size=4)
bodies = st.one_of(st.binary(max_size=200), st.integers(FRAME_MAX - 10, FRAME_MAX * 3).map(bytes))


def frames_of(data: bytes) -> list[Any]:
    """As pika reads them."""
    found = []
    while data:
        size, frame = pika_frame.decode_frame(data)
        found.append(frame)
        data = data[size:]
    return found


@given(short_texts, headers, bodies)
def test_pika_reads_what_is_written(message_id: str, sent: dict[str, Any], body: bytes) -> None:
    data = publish_frame(CHANNEL, "events", "a.b")
    data += content_frames(CHANNEL, FRAME_MAX, message_id, sent, body, None)
    method, header, *parts = frames_of(data)
    assert (method.channel_number, method.method.exchange, method.method.routing_key) == (CHANNEL, "events", "a.b")
    assert method.method.mandatory
    properties = header.properties
    assert (properties.message_id, properties.headers or {}) == (message_id, sent)
    assert (properties.content_type, properties.delivery_mode) == ("application/json", 2)
    assert header.body_size == len(body)
    assert b"".join(part.fragment for part in parts) == body
    assert all(len(part.fragment) <= FRAME_MAX - 8 for part in parts)


@given(
    st.builds(
        Properties,
        content_type=st.none() | short_texts,
        content_encoding=st.none() | short_texts,
        headers=st.none() | headers,
        delivery_mode=st.none() | st.integers(0, 255),
        priority=st.none() | st.integers(0, 255),
        correlation_id=st.none() | short_texts,
        reply_to=st.none() | short_texts,
        expiration=st.none() | short_texts,
        message_id=st.none() | short_texts,
        timestamp=st.none() | st.integers(0, (1 << 63) - 1),
        type=st.none() | short_texts,
        user_id=st.none() | short_texts,
        app_id=st.none() | short_texts,
        cluster_id=st.none() | short_texts,
    ),
    st.binary(max_size=200),
    st.booleans(),
    st.lists(st.integers(1, 40), min_size=1, max_size=200),
)
@settings(deadline=None)
def test_what_pika_writes_is_read_in_whatever_pieces_it_comes(
    sent: Properties, body: bytes, redelivered: bool, pieces: Sequence[int]
) -> None:
    receiver, got = _receiver()
    names = Properties.__dataclass_fields__
    properties = pika.BasicProperties(**{name: getattr(sent, name) for name in names})
    data = _delivery(7, redelivered, properties, body) + _delivery(8, False, pika.BasicProperties(), b"next")
    for piece in _cut(data, pieces):
        receiver._on_data_available(piece)
    first, second = got
    assert (first.tag, first.redelivered, first.body) == (7, redelivered, body)
    assert first.message_id == (sent.message_id or "")
    assert first.properties == sent or (first.properties is None and _is_plain(sent))
    assert (second.tag, second.body) == (8, b"next")
    assert receiver._unread == b""


def test_a_float_is_read_as_what_it_is() -> None:
    receiver, got = _receiver()
    data = content_frames(CHANNEL, FRAME_MAX, "m", {"fraction": 0.1, "whole": 2.0}, b"", None)
    receiver._on_data_available(_method(7) + data)
    assert got[0].properties is not None
    assert got[0].properties.headers == {"fraction": 0.1, "whole": 2.0}


@pytest.mark.parametrize("code", "bBsUuIiLlfd")
def test_every_kind_of_number_is_read(code: str) -> None:
    layout = {"b": "b", "B": "B", "s": "h", "U": "h", "u": "H", "I": "i", "i": "I", "L": "q", "l": "q"}.get(code, code)
    table = b"\x01n" + code.encode() + struct.pack(">" + layout, 100)
    payload = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + struct.pack(">I", len(table)) + table
    receiver, got = _receiver()
    receiver._on_data_available(_method(7) + struct.pack(">BHI", 2, CHANNEL, len(payload)) + payload + b"\xce")
    assert got[0].properties is not None
    assert got[0].properties.headers == {"n": 100}


def test_a_body_of_several_frames_goes_pikas_way() -> None:
    receiver, got = _receiver()
    data = _method(7) + content_frames(CHANNEL, FRAME_MAX, "m", {}, b"x" * 10_000, None)
    for piece in _cut(data, [1000] * 11):
        receiver._on_data_available(piece)
    assert not got
    kinds = [type(frame).__name__ for frame in receiver.processed]
    assert kinds == ["Method", "Header", "Body", "Body", "Body"]


def test_headers_may_be_nested_as_deep_as_they_come() -> None:
    """At one depth what is done with them used to take more stack than reading them had."""
    nested = b"\x01aI" + struct.pack(">i", 1)
    for _ in range(600):
        nested = b"\x01aF" + struct.pack(">I", len(nested)) + nested
        properties = struct.pack(">H", 1 << 13) + struct.pack(">I", len(nested)) + nested
        frame = struct.pack(">BHIHHQ", 2, 1, 12 + len(properties), 60, 0, 200_000) + properties + END
        assert read_header(frame, 0, 1).body_size == 200_000


def test_a_frame_without_its_end_ends_the_connection() -> None:
    receiver, _ = _receiver()
    with pytest.raises(pika.exceptions.InvalidFrameError):
        receiver._on_data_available(_method(7)[:-1] + b"\x00")


# -- by template --------------------------------------------------------------------------------


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
    receiver, got = _receiver()
    elsewhere = _Got()
    receiver.deliveries[CHANNEL + 1] = elsewhere
    data, expected = b"", []
    for tag, (kind, message_id, body) in enumerate(sent, start=1):
        properties = pika.BasicProperties("application/json", delivery_mode=2, message_id=message_id)
        if kind == "headers":
            properties.headers = {"n": tag}
        if kind == "large":
            data += _method(tag) + content_frames(CHANNEL, FRAME_MAX, message_id, {}, body, None)
            continue
        again, channel = kind == "redelivered", CHANNEL + (kind == "other channel")
        data += _delivery(tag, again, properties, body, channel, "other" if kind == "other key" else "key")
        expected.append((tag, again, message_id, kind == "headers", body))
    for piece in _cut(data, pieces):
        receiver._on_data_available(piece)
    read = sorted([*got, *elsewhere])
    assert [(tag, again, mid, bool(p and p.headers), body) for tag, again, mid, p, body in read] == expected
    assert [tag for tag, *_ in got] == sorted(tag for tag, *_ in got), "in the order in which they came"
    assert len(receiver.processed) == 5 * sum(kind == "large" for kind, _, _ in sent), "pika has the large ones"
    assert receiver._unread == b""


def test_all_but_the_first_of_plain_messages_are_read_by_template() -> None:
    receiver, got = _receiver()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    receiver._on_data_available(b"".join(_delivery(tag, False, properties, b"body") for tag in range(1, 101)))
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
    receiver, got = _receiver()
    plain = {"content_type": "application/json", "delivery_mode": 2, "message_id": "0" * 32}
    other = pika.BasicProperties(**{**plain, **change})
    between = [_delivery(1, False, pika.BasicProperties(**plain), b"body")] * 2
    receiver._on_data_available(between[0] + _delivery(2, redelivered, other, b"odd") + between[1])
    assert [delivered.redelivered for delivered in got] == [False, redelivered, False]
    assert [delivered.message_id for delivered in got] == ["0" * 32, other.message_id or "", "0" * 32]
    odd = got[1].properties
    if odd is None:
        assert set(change) <= {"message_id"}
    else:
        assert all(getattr(odd, name) == value for name, value in {**plain, **change}.items())


def test_plain_messages_of_two_channels_are_kept_apart() -> None:
    receiver, got = _receiver()
    other = receiver.deliveries[CHANNEL + 1] = _Got()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    for number in (1, 2, 3):
        both = [_delivery(number, False, properties, b"body", channel) for channel in (CHANNEL, CHANNEL + 1)]
        receiver._on_data_available(b"".join(both))
    assert [delivered.tag for delivered in got] == [delivered.tag for delivered in other] == [1, 2, 3]


def test_a_plain_message_may_be_cut_anywhere() -> None:
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    data = b"".join(_delivery(tag, False, properties, b"body") for tag in (1, 2, 3))
    for cut in range(len(data)):
        receiver, got = _receiver()
        receiver._on_data_available(data[:cut])
        receiver._on_data_available(data[cut:])
        assert [(delivered.tag, delivered.body) for delivered in got] == [(tag, b"body") for tag in (1, 2, 3)], cut


@pytest.mark.parametrize("at", ["method", "header", "body"])
def test_a_plain_message_is_not_read_over_a_broken_frame(at: str) -> None:
    receiver, got = _receiver()
    properties = pika.BasicProperties("application/json", delivery_mode=2, message_id="0" * 32)
    method, header = _method(2), pika_frame.Header(CHANNEL, 4, properties).marshal()
    whole = _delivery(2, False, properties, b"body")
    end = {"method": len(method), "header": len(method) + len(header), "body": len(whole)}[at] - 1
    receiver._on_data_available(_delivery(1, False, properties, b"body"))
    with pytest.raises(pika.exceptions.InvalidFrameError):
        receiver._on_data_available(whole[:end] + b"\x00" + whole[end + 1 :])
    assert len(got) == 1


# -- acks and confirms --------------------------------------------------------------------------


@pytest.mark.parametrize("multiple", [True, False])
def test_an_ack_is_written_as_pika_would(multiple: bool) -> None:
    ack = pika_frame.Method(CHANNEL, spec.Basic.Ack(1 << 40, multiple)).marshal()
    assert ack_frame(CHANNEL, 1 << 40, multiple) == ack


@pytest.mark.parametrize("multiple", [True, False])
def test_a_confirm_is_read(multiple: bool) -> None:
    receiver, _ = _receiver()
    acked: list[tuple[int, bool]] = []
    receiver.acks[CHANNEL] = lambda tag, several: acked.append((tag, several))
    ack = pika_frame.Method(CHANNEL, spec.Basic.Ack(1 << 40, multiple)).marshal()
    other = pika_frame.Method(CHANNEL + 1, spec.Basic.Ack(1, False)).marshal()
    receiver._on_data_available(ack + other)
    assert acked == [(1 << 40, multiple)]
    assert len(receiver.processed) == 1, "another channel's goes pika's way"


@pytest.mark.parametrize(
    "value",
    [1 << 63, object(), Decimal("1E+30"), Decimal("NaN"), {"deep": [{1, 2}]}],
    ids=lambda value: type(value).__name__,
)
def test_what_a_header_cannot_be_is_told(value: object) -> None:
    with pytest.raises(ValueError, match="a header is"):
        content_frames(CHANNEL, FRAME_MAX, "m", {"odd": value}, b"", None)


def test_headers_that_fit_in_no_frame_are_told() -> None:
    with pytest.raises(ValueError, match=r"its headers take 50\d\d bytes, more than a frame holds"):
        content_frames(CHANNEL, FRAME_MAX, "m", {"long": "x" * 5000}, b"", None)


# -- a connection without a broker --------------------------------------------------------------


class _Deaf(Wire):
    """Only reads; what goes pika's way is kept."""

    def __init__(self) -> None:
        self.deliveries = {}
        self.acks = {99: lambda tag, several: None}
        self.processed: list[Any] = []
        self._unread = b""
        self._templates = {}
        self.bytes_received = self._came = 0

    def _process_frame(self, frame: Any) -> None:
        self.processed.append(frame)


class _Got(list[Delivered]):
    """Keeps what comes on a channel, whichever way it was read."""

    def __init__(self) -> None:
        super().__init__()
        self.by_template = 0

    def on_delivered(self, delivered: Delivered) -> None:
        self.append(delivered)

    def on_plain(self, plain: Sequence[Plain]) -> None:
        self.by_template += len(plain)
        self += [Delivered(tag, False, message_id, None, body) for tag, message_id, body in plain]


def _receiver() -> tuple[_Deaf, _Got]:
    receiver, got = _Deaf(), _Got()
    receiver.deliveries[CHANNEL] = got
    return receiver, got


def _method(tag: int, redelivered: bool = False, key: str = "key") -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", key)
    return bytes(pika_frame.Method(CHANNEL, method).marshal())


def _delivery(
    tag: int, redelivered: bool, properties: pika.BasicProperties, body: bytes, channel: int = CHANNEL, key: str = "key"
) -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", key)
    frames = [pika_frame.Method(channel, method), pika_frame.Header(channel, len(body), properties)]
    frames += [pika_frame.Body(channel, body)] if body else []
    return b"".join(frame.marshal() for frame in frames)


def _cut(data: bytes, pieces: Sequence[int]) -> list[bytes]:
    found = []
    for size in pieces:
        found.append(data[:size])
        data = data[size:]
    return [piece for piece in [*found, data] if piece]


def _is_plain(sent: Properties) -> bool:
    plain = Properties("application/json", delivery_mode=2, message_id=sent.message_id)
    return sent == plain
