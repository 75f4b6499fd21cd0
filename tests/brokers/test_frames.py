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

from runner.brokers.rabbitmq.fields import Properties
from runner.brokers.rabbitmq.frames import Delivered, content_frames, publish_frame
from runner.brokers.rabbitmq.receiving import Receiver

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
    assert receiver._frame_buffer == b""


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


def test_a_frame_without_its_end_ends_the_connection() -> None:
    receiver, _ = _receiver()
    with pytest.raises(pika.exceptions.InvalidFrameError):
        receiver._on_data_available(_method(7)[:-1] + b"\x00")


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


class _Deaf(Receiver):
    """Only reads; what goes pika's way is kept."""

    def __init__(self) -> None:
        self.deliveries = {}
        self.acks = {99: lambda tag, several: None}
        self.processed: list[Any] = []
        self._frame_buffer = b""
        self.bytes_received = 0

    def _process_frame(self, frame: Any) -> None:
        self.processed.append(frame)


def _receiver() -> tuple[_Deaf, list[Delivered]]:
    receiver, got = _Deaf(), list[Delivered]()
    receiver.deliveries[CHANNEL] = got.append
    return receiver, got


def _method(tag: int, redelivered: bool = False) -> bytes:
    method = spec.Basic.Deliver("consumer", tag, redelivered, "exchange", "key")
    return bytes(pika_frame.Method(CHANNEL, method).marshal())


def _delivery(tag: int, redelivered: bool, properties: pika.BasicProperties, body: bytes) -> bytes:
    header = pika_frame.Header(CHANNEL, len(body), properties).marshal()
    return bytes(_method(tag, redelivered) + header + (pika_frame.Body(CHANNEL, body).marshal() if body else b""))


def _cut(data: bytes, pieces: Sequence[int]) -> list[bytes]:
    found = []
    for size in pieces:
        found.append(data[:size])
        data = data[size:]
    return [piece for piece in [*found, data] if piece]


def _is_plain(sent: Properties) -> bool:
    plain = Properties("application/json", delivery_mode=2, message_id=sent.message_id)
    return sent == plain
