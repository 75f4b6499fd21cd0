"""The frames that are written past pika, compared with pika's own."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from pika import frame as pika_frame
from pika import spec

from runner.brokers.rabbitmq.amqp.frames import END, ack_frame, content_frames, publish_frame, read_header
from tests.brokers.rabbitmq.amqp.nowhere import (
    CHANNEL,
    FRAME_MAX,
)
from tests.brokers.rabbitmq.amqp.strategies import bodies, headers, short_texts


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


def test_headers_may_be_nested_as_deep_as_they_come() -> None:
    """At one depth what is done with them used to take more stack than reading them had."""
    nested = b"\x01aI" + struct.pack(">i", 1)
    for _ in range(600):
        nested = b"\x01aF" + struct.pack(">I", len(nested)) + nested
        properties = struct.pack(">H", 1 << 13) + struct.pack(">I", len(nested)) + nested
        frame = struct.pack(">BHIHHQ", 2, 1, 12 + len(properties), 60, 0, 200_000) + properties + END
        assert read_header(frame, 0, 1).body_size == 200_000


@pytest.mark.parametrize("multiple", [True, False])
def test_an_ack_is_written_as_pika_would(multiple: bool) -> None:
    ack = pika_frame.Method(CHANNEL, spec.Basic.Ack(1 << 40, multiple)).marshal()
    assert ack_frame(CHANNEL, 1 << 40, multiple) == ack


@pytest.mark.parametrize(
    "value",
    [1 << 63, object(), Decimal("1E+30"), Decimal("NaN"), {"deep": [{1, 2}]}],
    ids=lambda value: type(value).__name__,
)
def test_what_a_header_cannot_be_is_reported(value: object) -> None:
    with pytest.raises(ValueError, match="a header is"):
        content_frames(CHANNEL, FRAME_MAX, "m", {"odd": value}, b"", None)


def test_headers_that_fit_in_no_frame_are_reported() -> None:
    with pytest.raises(ValueError, match=r"its headers take 50\d\d bytes, more than a frame holds"):
        content_frames(CHANNEL, FRAME_MAX, "m", {"long": "x" * 5000}, b"", None)
