"""Durations and sizes, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.units import (
    LONGEST,
    format_duration,
    format_rate,
    format_size,
    parse_duration,
    parse_rate,
    parse_size,
    span,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("2s", 2),
        ("1.5s", 1.5),
        ("15m", 900),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("7d", 604_800),
        (5, 5),
        (0.25, 0.25),
        (1e308, LONGEST),
        ("9" * 400 + "d", LONGEST),
    ],
)
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "m", "-1s", "1s!", "s1", "1w", "1,5s"])
def test_what_is_not_a_duration_is_reported_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a duration; write 500ms, 2s, 15m, 1h30m or 7d$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (2, "2s"), (162, "2m42s"), (900, "15m"), (5400, "1h30m"), (90_061.001, "1d1h1m1s1ms")],
)
def test_a_duration_is_written_as_short_as_it_can_be(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text


@given(st.integers(1, 10**12))
def test_a_duration_that_is_written_reads_back_to_the_millisecond(milliseconds: int) -> None:
    assert round(parse_duration(format_duration(milliseconds / 1000)) * 1000) == milliseconds


@pytest.mark.parametrize(
    ("text", "count"), [(512, 512), ("512B", 512), ("64KiB", 65_536), ("1 MiB", 1 << 20), ("2GiB", 2 << 30)]
)
def test_a_size_is_read(text: str | int, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "64", "64KB", "64kib", "-1B", "1.5MiB", True])
def test_what_is_not_a_size_is_reported_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a size; write 64KiB, 1MiB or a number of bytes$"):
        parse_size(text)


@pytest.mark.parametrize(("count", "text"), [(0, "0B"), (1000, "1000B"), (65_536, "64KiB"), (3 << 20, "3MiB")])
def test_a_size_is_written_as_short_as_it_can_be(count: int, text: str) -> None:
    assert format_size(count) == text


@given(st.integers(0, 10**12))
def test_a_size_that_is_written_reads_back(count: int) -> None:
    assert parse_size(format_size(count)) == count


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/s", (100, 1)), ("60 / m", (60, 60)), ("1000/h", (1000, 3600)), ("5000/d", (5000, 86_400))],
)
def test_a_rate_is_a_number_in_a_span(text: str, rate: tuple[int, int]) -> None:
    assert parse_rate(text) == rate
    assert format_rate(*rate) == text.replace(" ", "")


@pytest.mark.parametrize(
    "text", ["", "0/s", "100", "/s", "1.5/s", "-1/s", "1/ms", "1/2s", "1/w", "1000000000/s", "١/s"]
)
def test_other_rates_are_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate; write 100/s"):
        parse_rate(text)


def test_spans_are_as_precise_as_people_need_them() -> None:
    assert [span(one) for one in (0.0123, 1.26, 119, 754, 7_290)] == ["12 ms", "1.3 s", "119.0 s", "12m34s", "2h01m"]
