"""The figures of the live pages."""

from __future__ import annotations

import pytest

from runner.brokers.base import Depth
from runner.console.figures import COUNTS, counted_there, figures_of, short
from runner.console.history import History
from runner.console.run import Run
from runner.message import Destination, Outgoing
from tests.console.conftest import Shown
from tests.waiting import wait_until


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0"), (99_999, "99,999"), (100_000, "100k"), (999_999, "999k"), (1_000_000, "1.0M"), (12_345_678, "12.3M")],
)
def test_a_count_is_exact_as_long_as_there_is_room(count: int, text: str) -> None:
    assert short(count) == text


def test_what_somebody_has_in_hand_to_look_at_comes_on_top() -> None:
    depth = Depth(ready=1, delayed=2, dead=3, looked_at=True)
    assert [counted_there(depth, name) for name in COUNTS] == ["1", "0", "2+", "3+"]


def test_they_say_what_is_on_each_queue_and_who_takes_it(shown: Shown) -> None:
    shown.broker.publish([Outgoing(Destination("", "orders"), f"m{n}", b"{}") for n in range(3)])
    run = Run(shown.loaded, shown.console, shown.broker, lambda: {"worker": False})
    wait_until(lambda: figures_of(run, History())["queue.orders.ready"] == "3")
    figures = figures_of(run, History())
    assert figures["queue.orders.told"] == "0 workers"
    assert figures["#queue.orders.state"] == "idle"
    assert figures["queue.bills.ready"] == "0"
    assert (figures["process.worker"], figures["#process.worker"]) == ("not up", "bad")
    assert figures["summary"] == "worker is not up; check has no worker; bill has no worker."
    assert figures["#summary"] == "bad"


def test_while_the_broker_is_away_they_say_so(shown: Shown) -> None:
    run = Run(shown.loaded, shown.console, shown.broker, lambda: {"worker": True})
    wait_until(lambda: figures_of(run, History())["trouble"] == "")
    shown.broker.close()
    wait_until(lambda: figures_of(run, History())["trouble"] != "")
    assert "broker" in figures_of(run, History())["summary"]
