"""How many messages a stage takes in advance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.worker.prefetch import Pace, fitting


@pytest.mark.parametrize(
    ("current", "waiting", "handled", "expected"),
    [
        (250, 0, 0, 250),  # idle
        (250, 240, 50_000, 250),  # fast
        (250, 246, 500, 250),  # 100/s: what waits is handled within 3 s
        (250, 246, 5, 10),  # 1/s: the last would wait for four minutes
        (250, 246, 0, 4),  # stuck, or slower than anybody looks
        (250, 3, 0, 4),  # even a few wait in vain behind stuck ones
        (4, 0, 0, 4),
        (4, 0, 5, 4),  # 1/s is no reason to take more
        (4, 0, 500, 16),  # fast again
        (16, 0, 5000, 64),
        (64, 0, 50_000, 250),
    ],
)
def test_the_prefetch_fits_what_is_handled(current: int, waiting: int, handled: int, expected: int) -> None:
    found = fitting(current, most=250, least=4, waiting=waiting, handled=handled, seconds=5.0)
    assert found == expected


@given(st.integers(1, 1000), st.integers(1, 1000), st.integers(1, 64), st.integers(0, 1000), st.integers(0, 100_000))
def test_it_stays_between_the_least_and_the_most(
    current: int, most: int, least: int, waiting: int, handled: int
) -> None:
    least, current = min(least, most), min(current, most)
    current = max(current, least)
    assert least <= fitting(current, most=most, least=least, waiting=waiting, handled=handled, seconds=5.0) <= most


def test_each_look_counts_what_was_handled_since_the_one_before() -> None:
    pace = Pace(250, least=4)
    pace.handled = 5
    assert pace.look(246, 5.0) == 10
    assert pace.look(246, 5.0) == 4
