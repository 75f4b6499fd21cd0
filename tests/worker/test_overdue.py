"""Which deliveries a stage has been at work on for too long; what becomes of them is in `test_stage`."""

from __future__ import annotations

import pytest

from runner.message import NO_HEADERS, Delivery, Session
from runner.worker import overdue
from runner.worker.overdue import Overdue


class Clock:
    """Goes when the test says so."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(overdue, "time", clock)
    return clock


def delivery(id: str) -> Delivery:
    return Delivery("work", id, b"{}", NO_HEADERS, 1, Session(), 1)


def test_one_is_overdue_when_it_was_seen_a_timeout_ago(clock: Clock) -> None:
    found, first, second = Overdue(), delivery("first"), delivery("second")
    assert found.look([first], 10.0) == []
    clock.now += 9.0
    assert found.look([first, second], 10.0) == []
    clock.now += 1.0
    assert found.look([first, second], 10.0) == [first]


def test_one_that_was_gone_meanwhile_begins_anew(clock: Clock) -> None:
    found, again = Overdue(), delivery("again")
    found.look([again], 10.0)
    clock.now += 5.0
    found.look([], 10.0)
    clock.now += 5.0
    assert found.look([again], 10.0) == []
