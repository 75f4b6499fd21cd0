"""What is told, and when: once as a condition begins to hold, once as it is over."""

from __future__ import annotations

import time

import pytest

from runner.alerts.conditions import LONGEST_REASON, SETTLE, Alarms, Key, Look, Notice, holding
from runner.brokers.base import Depth
from runner.pipeline import Alerts

NOW = 1_800_000_000.0
ALL = Alerts(dead_letters=2, oldest=600.0, paused=300.0, not_ready=30.0)


class Clock:
    """`now` is the time of day, which somebody may set; the time that passes goes on by itself."""

    def __init__(self) -> None:
        self.now, self.set_by = NOW, 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", lambda: clock.now + clock.set_by)
    monkeypatch.setattr(time, "monotonic", lambda: clock.now - NOW + 12345.0)
    return clock


def dead(count: int) -> Look:
    return Look({"orders": Depth(dead=count)})


def told(alarms: Alarms, look: Look) -> list[tuple[bool, str]]:
    return [(notice.firing, notice.text) for notice in alarms.news(look)]


def test_each_condition_is_judged_by_its_limit_and_put_in_words() -> None:
    look = Look(
        {"orders": Depth(dead=3), "bills": Depth(dead=2)},
        {("orders", "ready"): 601.0, ("bills", "ready"): 600.0, ("bills", "dead"): 9999.0},
        {"mail": "relay of jane@example.com is away"},
        ["worker is not up", "the broker is away"],
    )
    assert holding(ALL, look) == {
        Key("dead_letters", "orders"): "orders has 3 dead letters",
        Key("oldest", "orders"): "a message waits on orders for 10m1s",
        Key("paused", "mail"): "mail is paused: relay of j•••@example.com is away",
        Key("not_ready", ""): "the run is not ready: worker is not up; the broker is away",
    }


def test_dead_letters_that_somebody_looks_at_are_not_over(clock: Clock) -> None:
    alarms = Alarms(ALL)
    assert told(alarms, dead(3)) == [(True, "orders has 3 dead letters")]
    for _ in range(5):
        clock.now += SETTLE
        assert told(alarms, Look({"orders": Depth(looked_at=True)})) == []
    clock.now += SETTLE
    assert told(alarms, dead(0)) == [(False, "over: orders has 3 dead letters")]


def test_a_card_number_is_masked_before_a_long_reason_is_cut() -> None:
    """Of what is cut off in the middle nobody could tell any more that it was one."""
    reason = "x" * (LONGEST_REASON - 15) + " 4111111111111111"
    for look in (Look(paused={"mail": reason}), Look(troubles=[reason])):
        [text] = holding(ALL, look).values()
        assert "411111" not in text


def test_what_the_file_does_not_name_is_not_watched() -> None:
    look = Look({"orders": Depth(dead=3)}, {("orders", "ready"): 1e6}, {"mail": ""}, ["the broker is away"])
    assert holding(Alerts(), look) == {}


def test_a_condition_is_told_once_and_once_more_when_it_is_over(clock: Clock) -> None:
    alarms = Alarms(ALL)
    assert told(alarms, dead(2)) == []
    assert told(alarms, dead(3)) == [(True, "orders has 3 dead letters")]
    for count in (3, 4, 5):
        clock.now += 5.0
        assert told(alarms, dead(count)) == []
    clock.now += 5.0
    assert told(alarms, dead(0)) == []
    clock.now += SETTLE
    assert told(alarms, dead(0)) == [(False, "over: orders has 5 dead letters")]
    clock.now += SETTLE
    assert told(alarms, dead(0)) == []
    assert told(alarms, dead(9)) == [(True, "orders has 9 dead letters")]


def test_one_that_comes_and_goes_does_not_flap(clock: Clock) -> None:
    alarms = Alarms(ALL)
    notices: list[tuple[bool, str]] = []
    for step in range(200):
        clock.now += 5.0
        notices += told(alarms, dead(3 if step % 3 else 0))
    assert [firing for firing, _ in notices] == [True]


def test_a_pause_is_told_when_it_has_lasted_though_the_stage_was_tried_meanwhile(clock: Clock) -> None:
    """A circuit breaker resumes for a moment, and pauses again."""
    alarms = Alarms(ALL)
    paused, resumed = Look({}, paused={"mail": "no relay"}), Look({})
    began = clock.now
    notices: list[Notice] = []
    while not notices:
        clock.now += 5.0
        notices = alarms.news(resumed if int(clock.now) % 30 < 5 else paused)
    assert 300.0 <= clock.now - began <= 320.0
    assert notices[0].key == Key("paused", "mail")
    assert notices[0].since <= began + 10.0


@pytest.mark.parametrize("by", [-3600.0, 3600.0])
def test_a_clock_that_is_set_meanwhile_changes_nothing(clock: Clock, by: float) -> None:
    alarms, paused = Alarms(ALL), Look({}, paused={"mail": ""})
    assert alarms.news(paused) == []
    clock.set_by = by
    clock.now += 299.0
    assert alarms.news(paused) == []
    clock.now += 1.0
    [notice] = alarms.news(paused)
    assert (notice.since, notice.at) == (NOW, NOW + 300.0 + by)
    clock.set_by = 0.0
    clock.now += SETTLE - 1.0
    assert alarms.news(Look({})) == []
    clock.now += 1.0
    assert [notice.firing for notice in alarms.news(Look({}))] == [False]


def test_a_short_pause_is_not_told(clock: Clock) -> None:
    alarms = Alarms(ALL)
    assert alarms.news(Look({}, paused={"mail": ""})) == []
    clock.now += 299.0
    assert alarms.news(Look({}, paused={"mail": ""})) == []
    clock.now += 2 * SETTLE
    assert alarms.news(Look({})) == []
    assert alarms.news(Look({}, paused={"mail": ""})) == [], "it begins anew"


def test_while_the_broker_does_not_tell_nothing_is_over(clock: Clock) -> None:
    alarms = Alarms(ALL)
    assert [notice.key.condition for notice in alarms.news(dead(3))] == ["dead_letters"]
    notices: list[Notice] = []
    for _ in range(100):
        clock.now += 5.0
        notices += alarms.news(Look(None, troubles=["the broker is away"]))
    assert [notice.key.condition for notice in notices] == ["not_ready"]


def test_each_notice_has_an_id_of_its_own(clock: Clock) -> None:
    notices = Alarms(ALL).news(Look({"a": Depth(dead=3), "b": Depth(dead=3)}))
    assert len({notice.id for notice in notices}) == 2
