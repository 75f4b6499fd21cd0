"""The hub: which observers hear of what, and what happens to one that fails."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from runner.events import Events, Failure, Observer
from runner.message import Delivery, Session

DELIVERY = Delivery("work", "id-1", b"{}", {}, 1, Session(), 1)
OFTEN = {"accepted", "published", "confirmed", "taken", "handled"}


class Noting(Observer):
    """Watches two of the events."""

    def __init__(self, name: str, notes: list[tuple[Any, ...]]) -> None:
        self.name = name
        self.notes = notes

    def handled(self, *told: object) -> None:
        self.notes.append((self.name, "handled", *told))

    def resumed(self, stage: str) -> None:
        self.notes.append((self.name, "resumed", stage))


class Failing(Observer):
    """Can't cope with what it watches."""

    def handled(self, *told: object) -> None:
        raise ValueError("no room left for metrics")

    def resumed(self, stage: str) -> None:
        raise SystemExit(f"{stage} goes on, and I don't")


def events_of_the_protocol() -> set[str]:
    return {name for name in vars(Observer) if not name.startswith("_")}


def test_each_event_of_the_protocol_can_be_told() -> None:
    assert {name for name in vars(Events()) if not name.startswith("_")} == events_of_the_protocol()


def test_where_nobody_watches_what_happens_to_every_message_nothing_is_to_be_called() -> None:
    for events in (Events(), Events([Observer()])):
        assert {name for name, tell in vars(events).items() if tell is None} == OFTEN
    watched = Events([Noting("a", [])])
    assert {name for name, tell in vars(watched).items() if tell is None} == OFTEN - {"handled"}


def test_what_happens_seldom_may_be_told_to_nobody() -> None:
    events = Events()
    events.retried("one", DELIVERY, Failure("late", 1, 3), 2.0)
    events.stopped("worker", 12, -9, was_up=True, again=None)


def test_observers_are_called_in_the_order_in_which_they_were_attached() -> None:
    notes: list[tuple[Any, ...]] = []
    events = Events([Noting("a", notes), Observer(), Noting("b", notes)])
    assert events.handled is not None
    events.handled("one", DELIVERY, [], 0.5)
    events.resumed("one")
    events.paused("one", "nobody watches this", 1.0)
    assert notes == [
        ("a", "handled", "one", DELIVERY, [], 0.5),
        ("b", "handled", "one", DELIVERY, [], 0.5),
        ("a", "resumed", "one"),
        ("b", "resumed", "one"),
    ]


def test_an_observer_that_raises_is_logged_once_and_every_observer_is_still_called(
    caplog: pytest.LogCaptureFixture,
) -> None:
    notes: list[tuple[Any, ...]] = []
    events = Events([Failing(), Noting("b", notes)])
    assert events.handled is not None
    for _ in range(3):
        events.handled("one", DELIVERY, [], 0.5)
        events.resumed("one")
    assert [event for _, event, *_ in notes] == ["handled", "resumed"] * 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert caplog.text.count("ValueError: no room left for metrics") == 1
    assert "Failing failed at 'resumed'" in caplog.text


def test_an_observer_may_come_and_go() -> None:
    events, notes = Events(), list[tuple[Any, ...]]()
    first, second = Noting("first", notes), Noting("second", notes)
    for observer in (first, second):
        events.add(observer)
    events.resumed("pay")
    events.remove(first)
    events.resumed("mail")
    events.remove(second)
    assert notes == [("first", "resumed", "pay"), ("second", "resumed", "pay"), ("second", "resumed", "mail")]
    assert events.handled is None
