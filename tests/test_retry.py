"""How often and how long: the table of waits, and its rungs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.pipeline import DEFAULT_RETRY
from runner.retry import RetryPolicy, rung_for

policy = partial(replace, DEFAULT_RETRY)


def test_the_default_policy_waits_a_little_longer_each_time() -> None:
    assert DEFAULT_RETRY.table() == (2.0, 6.0, 18.0, 54.0)


def test_no_wait_is_longer_than_the_longest() -> None:
    assert policy(attempts=8, max_delay=900).table() == (2, 6, 18, 54, 162, 486, 900)


def test_one_attempt_has_no_waits() -> None:
    assert (policy(attempts=1).table(), policy(attempts=1).rungs()) == ((), ())


def test_equal_waits_share_a_rung() -> None:
    assert policy(attempts=50, factor=1).rungs() == (2.0,)
    assert policy(attempts=6, delay=60, max_delay=100).rungs() == (60.0, 100.0)


def test_a_wait_beyond_all_numbers_is_the_longest() -> None:
    assert policy(attempts=100, factor=100).delay_after(99) == 300.0
    assert policy(factor=1e300).delay_after(5) == 300.0


@pytest.mark.parametrize(
    ("delay", "rung"), [(0.0, 2.0), (2.0, 2.0), (2.0004, 2.0), (2.1, 6.0), (18.0, 18.0), (99.0, 18.0)]
)
def test_a_wait_is_kept_on_the_shortest_rung_that_is_long_enough(delay: float, rung: float) -> None:
    assert rung_for(delay, (2.0, 6.0, 18.0)) == rung


POLICIES = st.builds(
    RetryPolicy,
    attempts=st.integers(1, 100),
    delay=st.floats(0.001, 1e6),
    factor=st.floats(1, 100),
    max_delay=st.floats(0.001, 3e6),
)


@given(POLICIES)
def test_waits_never_get_shorter_and_each_has_its_rung(policy: RetryPolicy) -> None:
    table, rungs = policy.table(), policy.rungs()
    assert len(table) == policy.attempts - 1
    assert list(table) == sorted(table)
    assert all(abs(rung_for(wait, rungs) - wait) < 0.001 for wait in table)
    assert all(0 < wait <= policy.max_delay for wait in table)
