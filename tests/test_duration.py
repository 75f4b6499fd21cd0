"""Durations, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import duration


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
    ],
)
def test_a_duration_is_read(text: str | float, seconds: float) -> None:
    assert duration.parse(text) == seconds


@pytest.mark.parametrize("text", ["", "5", "5 minutes", "m", "-1s", "1s!", "s1", "1w", "1,5s"])
def test_what_is_no_duration_is_told_with_what_would_be(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no duration; write 500ms, 2s, 15m, 1h30m or 7d$"):
        duration.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.5, "500ms"), (2, "2s"), (162, "2m42s"), (900, "15m"), (5400, "1h30m"), (90_061.001, "1d1h1m1s1ms")],
)
def test_a_duration_is_written_as_short_as_it_can_be(seconds: float, text: str) -> None:
    assert duration.format(seconds) == text


@given(st.integers(1, 10**12))
def test_what_is_written_reads_back_to_the_millisecond(milliseconds: int) -> None:
    assert round(duration.parse(duration.format(milliseconds / 1000)) * 1000) == milliseconds
