"""What is read past pika, in whatever pieces it comes."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import pika
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pika import frame as pika_frame
from pika import spec

from runner.brokers.rabbitmq.amqp.fields import Properties
from runner.brokers.rabbitmq.amqp.frames import content_frames
from tests.brokers.rabbitmq.amqp.nowhere import (
    CHANNEL,
    FRAME_MAX,
    cut,
    delivery_frames,
    method_frame,
    wire_to_nowhere,
)
from tests.brokers.rabbitmq.amqp.strategies import headers, short_texts


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
    receiver, got = wire_to_nowhere()
    names = Properties.__dataclass_fields__
    properties = pika.BasicProperties(**{name: getattr(sent, name) for name in names})
    data = delivery_frames(7, redelivered, properties, body) + delivery_frames(
        8, False, pika.BasicProperties(), b"next"
    )
    assert sum(receiver.read(piece) for piece in cut(data, pieces)) == len(data)
    first, second = got
    assert (first.tag, first.redelivered, first.body) == (7, redelivered, body)
    assert first.message_id == (sent.message_id or "")
    assert first.properties == sent or (first.properties is None and _is_plain(sent))
    assert (second.tag, second.body) == (8, b"next")


def _is_plain(sent: Properties) -> bool:
    plain = Properties("application/json", delivery_mode=2, message_id=sent.message_id)
    return sent == plain


def test_a_float_is_read_as_what_it_is() -> None:
    receiver, got = wire_to_nowhere()
    data = content_frames(CHANNEL, FRAME_MAX, "m", {"fraction": 0.1, "whole": 2.0}, b"", None)
    receiver.read(method_frame(7) + data)
    assert got[0].properties is not None
    assert got[0].properties.headers == {"fraction": 0.1, "whole": 2.0}


@pytest.mark.parametrize("code", "bBsUuIiLlfd")
def test_every_kind_of_number_is_read(code: str) -> None:
    layout = {"b": "b", "B": "B", "s": "h", "U": "h", "u": "H", "I": "i", "i": "I", "L": "q", "l": "q"}.get(code, code)
    table = b"\x01n" + code.encode() + struct.pack(">" + layout, 100)
    payload = struct.pack(">HHQH", 60, 0, 0, 1 << 13) + struct.pack(">I", len(table)) + table
    receiver, got = wire_to_nowhere()
    receiver.read(method_frame(7) + struct.pack(">BHI", 2, CHANNEL, len(payload)) + payload + b"\xce")
    assert got[0].properties is not None
    assert got[0].properties.headers == {"n": 100}


def test_a_body_of_several_frames_goes_pikas_way() -> None:
    receiver, got = wire_to_nowhere()
    data = method_frame(7) + content_frames(CHANNEL, FRAME_MAX, "m", {}, b"x" * 10_000, None)
    for piece in cut(data, [1000] * 11):
        receiver.read(piece)
    assert not got
    kinds = [type(frame).__name__ for frame in receiver.processed]
    assert kinds == ["Method", "Header", "Body", "Body", "Body"]


def test_a_frame_without_its_end_ends_the_connection() -> None:
    receiver, _ = wire_to_nowhere()
    with pytest.raises(pika.exceptions.InvalidFrameError):
        receiver.read(method_frame(7)[:-1] + b"\x00")


@pytest.mark.parametrize("multiple", [True, False])
def test_a_confirm_is_read(multiple: bool) -> None:
    receiver, _ = wire_to_nowhere()
    acked: list[tuple[int, bool]] = []
    receiver.acks[CHANNEL] = lambda tag, several: acked.append((tag, several))
    ack = pika_frame.Method(CHANNEL, spec.Basic.Ack(1 << 40, multiple)).marshal()
    other = pika_frame.Method(CHANNEL + 1, spec.Basic.Ack(1, False)).marshal()
    receiver.read(ack + other)
    assert acked == [(1 << 40, multiple)]
    assert len(receiver.processed) == 1, "another channel's goes pika's way"
