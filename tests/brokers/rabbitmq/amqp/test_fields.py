"""Properties and header tables, to bytes and back."""

from __future__ import annotations

import logging
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from runner.brokers.rabbitmq.amqp.fields import Moment, Properties, properties, read_properties, short_text
from tests.brokers.rabbitmq.amqp.strategies import headers, short_texts

TIME = 1_700_000_000


def read_back(given: Properties) -> Properties:
    flags, data = properties(given)
    return read_properties(flags, data, 0)


@given(short_texts, headers)
def test_what_is_written_reads_back(message_id: str, sent: dict[str, Any]) -> None:
    assert read_back(Properties(message_id=message_id, headers=sent)) == Properties(message_id=message_id, headers=sent)


def test_every_property_has_its_place() -> None:
    everything = Properties(
        "application/json", "gzip", {"a": 1}, 2, 9, "c", "r", "60000", "m", TIME, "t", "guest", "app", "cluster"
    )
    assert read_back(everything) == everything
    assert properties(Properties()) == (0, b"")


@pytest.mark.parametrize(
    "value",
    [1.5, True, None, -(1 << 63), Decimal("19.99"), datetime(2031, 12, 31, tzinfo=UTC), b"\x00\xff", [1, ["a", {}]]],
    ids=str,
)
def test_a_header_keeps_its_kind(value: object) -> None:
    headers = read_back(Properties(headers={"h": value})).headers
    assert headers is not None
    assert (headers["h"], type(headers["h"])) == (value, type(value))


def test_a_timestamp_beyond_all_dates_stays_a_number() -> None:
    found = read_back(Properties(headers={"h": Moment(TIME * 1000)})).headers
    assert found == {"h": TIME * 1000}


def test_a_text_of_more_than_255_bytes_is_refused() -> None:
    assert short_text("é" * 127)[0] == 254
    with pytest.raises(ValueError, match="a property takes 256 bytes, more than the 255 that AMQP allows"):
        short_text("é" * 128)


def test_properties_that_nobody_can_read_are_left_out_with_what_follows(caplog: pytest.LogCaptureFixture) -> None:
    flags, good = properties(Properties(content_type="application/json"))
    bad = struct.pack(">I", 5) + b"\x01a?xx"  # a header of a kind that AMQP doesn't have
    with caplog.at_level(logging.WARNING):
        found = read_properties(flags | 1 << 13, good + bad, 0)
    assert found == Properties(content_type="application/json")
    assert "a message has properties that can't be read" in caplog.text
