"""For how long messages have lain on queues, as far as it is known without a look at them."""

from __future__ import annotations

import time

import pytest

from runner.brokers.base import Depth
from runner.observability.ages import Ages

NOW = 1_800_000_000.0
READY, DEAD = ("orders", "ready"), ("orders", "dead")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [NOW]
    monkeypatch.setattr(time, "time", lambda: times[0])
    return times


def test_an_empty_queue_has_no_oldest_message(clock: list[float]) -> None:
    assert Ages().oldest({"orders": Depth()}, {}) == {READY: 0.0, DEAD: 0.0}


def test_what_lies_there_came_after_the_queue_was_last_seen_empty(clock: list[float]) -> None:
    ages = Ages()
    ages.oldest({"orders": Depth()}, {})
    clock[0] += 15.0
    ages.oldest({"orders": Depth(ready=3, dead=1)}, {})
    clock[0] += 15.0
    assert ages.oldest({"orders": Depth(ready=1, dead=1)}, {}) == {READY: 30.0, DEAD: 30.0}
    ages.oldest({"orders": Depth(dead=1)}, {})
    clock[0] += 15.0
    assert ages.oldest({"orders": Depth(ready=1, dead=1)}, {}) == {READY: 15.0, DEAD: 45.0}


def test_dead_letters_grow_old_while_somebody_has_them_in_hand_to_look_at(clock: list[float]) -> None:
    ages = Ages()
    ages.oldest({"orders": Depth(dead=2)}, {})
    clock[0] += 15.0
    assert ages.oldest({"orders": Depth(looked_at=True)}, {}) == {READY: 0.0, DEAD: 15.0}


def test_it_came_after_what_was_handed_out_last_too(clock: list[float]) -> None:
    ages = Ages()
    ages.oldest({"orders": Depth()}, {})
    clock[0] += 600.0
    busy = {"orders": Depth(ready=1000, dead=1)}
    assert ages.oldest(busy, {"orders": clock[0] - 4.0}) == {READY: 4.0, DEAD: 600.0}


def test_what_lay_there_before_counts_from_the_first_look(clock: list[float]) -> None:
    ages = Ages()
    assert ages.oldest({"orders": Depth(ready=1)}, {})[READY] == 0.0
    clock[0] += 60.0
    assert ages.oldest({"orders": Depth(ready=1)}, {})[READY] == 60.0
