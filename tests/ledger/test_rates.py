"""Rate limits: never more than the limit in any span of its time, over all processes."""

from __future__ import annotations

import multiprocessing
import queue
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from runner.ledger.ledger import Ledger
from runner.ledger.rates import SKEW, Spent, Window
from runner.pipeline import RateLimit

START = 1_800_000_000.0


def spend(window: Window, now: float) -> Spent:
    window.advance(now)
    return window.spend(now)


@given(st.integers(1, 20), st.sampled_from([1, 60, 3600]), st.lists(st.floats(0.0, 0.2), min_size=1, max_size=200))
def test_no_span_has_more_than_the_limit(requests: int, seconds: int, gaps: list[float]) -> None:
    window, now, passed = Window(RateLimit(requests, seconds)), START, []
    for gap in gaps:
        now += gap * seconds
        if spend(window, now).is_let_through:
            passed.append(now)
    for first, beyond in zip(passed, passed[requests:], strict=False):
        assert beyond - first > seconds


def test_all_of_the_limit_may_come_at_once_and_it_comes_back_when_told() -> None:
    window = Window(RateLimit(3, 60))
    assert [spend(window, START).remaining for _ in range(3)] == [2, 1, 0]
    refused = spend(window, START + 10)
    assert not refused.is_let_through
    assert 50 < refused.reset <= 52
    assert not spend(window, START + 10 + refused.reset - 0.1).is_let_through
    assert spend(window, START + 10 + refused.reset + 0.001).is_let_through


def test_the_clock_of_another_machine_gives_nobody_more() -> None:
    window = Window(RateLimit(2, 1))
    assert [spend(window, START + ahead).is_let_through for ahead in (0, 30, 0, 30)] == [True, True, True, False]
    assert not spend(window, START).is_let_through


def test_a_clock_that_was_far_ahead_refuses_nobody_for_long() -> None:
    window = Window(RateLimit(1, 1))
    assert spend(window, START + 86_400).is_let_through
    assert spend(window, START).is_let_through
    assert not spend(window, START).is_let_through
    assert SKEW < 86_400


def test_the_counts_survive_as_a_row() -> None:
    limit = RateLimit(2, 60)
    window = Window(limit)
    spend(window, START)
    again = Window(limit, window.part, window.counts)
    assert [spend(again, START + 1).is_let_through for _ in range(2)] == [True, False]


def test_several_processes_let_through_no_more_than_one(ledger: Ledger, ledger_url: str) -> None:
    limit, context = RateLimit(50, 3600), multiprocessing.get_context("spawn")
    results: Any = context.Queue()
    ledger.spend("POST /pay", "shop", limit, lambda _spent, _error: None)
    processes = [context.Process(target=_spend_all, args=(ledger_url, limit, results)) for _ in range(3)]
    for process in processes:
        process.start()
    let_through = sum(results.get(timeout=120) for _ in processes)
    for process in processes:
        process.join()
    assert let_through == 49


def _spend_all(url: str, limit: RateLimit, results: Any) -> None:
    ledger, told = Ledger(url).open(timeout=30.0), queue.SimpleQueue[Spent | None]()
    for _ in range(40):
        ledger.spend("POST /pay", "shop", limit, lambda spent, _error: told.put(spent))
    spent = [told.get(timeout=60) for _ in range(40)]
    results.put(sum(one is not None and one.is_let_through for one in spent))
    ledger.close()


def test_callers_and_routes_have_limits_of_their_own(ledger: Ledger) -> None:
    limit, told = RateLimit(1, 3600), queue.SimpleQueue[Spent | None]()
    for route, caller in [("POST /a", "shop"), ("POST /a", "other"), ("POST /b", "shop"), ("POST /a", "shop")]:
        ledger.spend(route, caller, limit, lambda spent, _error: told.put(spent))
    spent = [told.get(timeout=60) for _ in range(4)]
    assert sorted(one is not None and one.is_let_through for one in spent) == [False, True, True, True]
