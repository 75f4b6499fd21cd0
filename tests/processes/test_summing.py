"""The supervisor's sum of what its children have counted."""

from __future__ import annotations

import pytest

from runner.observability.snapshot import Now, Process, StageTotals, Told, Totals
from runner.processes import summing
from runner.processes.summing import Sum

WORKERS = {"worker-1": Process(1, True, 1), "worker-2": Process(2, True, 1)}


def told(handled: int) -> Told:
    return Told(Totals({"one": StageTotals(handled=handled)}, reconnects=1), Now(connected=1, unconfirmed=5))


def handled(sum: Sum) -> int:
    return sum.snapshot(WORKERS).sum.totals.stages["one"].handled


def test_the_sum_has_the_last_word_of_each_process() -> None:
    total = Sum()
    for pid, count in ((1, 3), (2, 10), (1, 4)):
        total.hear(f"worker-{pid}", pid, pid, told(count))
    snapshot = total.snapshot(WORKERS)
    assert snapshot.sum.totals.stages["one"].handled == 14
    assert snapshot.processes["worker-1"].told == told(4)
    assert snapshot.processes["worker-2"].pid == 2
    assert (snapshot.sum.now.connected, snapshot.sum.now.unconfirmed) == (2, 10)


def test_totals_never_go_back_when_a_child_ends_and_its_successor_begins_at_nothing() -> None:
    total = Sum()
    total.hear("worker-1", 1, 1, told(7))
    total.ended("worker-1", 1)
    assert handled(total) == 7
    total.hear("worker-1", 11, 11, told(0))
    assert handled(total) == 7
    total.hear("worker-1", 11, 11, told(2))
    assert handled(total) == 9
    assert total.snapshot(WORKERS).processes["worker-1"].told.totals.reconnects == 2


def test_how_an_ended_child_stood_is_forgotten() -> None:
    total = Sum()
    total.hear("worker-1", 1, 1, told(7))
    total.ended("worker-1", 1)
    assert total.snapshot(WORKERS).sum.now == Now()


def test_of_a_child_of_several_processes_each_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """The intake goes on in another process when its certificate has changed."""
    total = Sum()
    total.hear("worker-1", 1, 1, told(7))
    total.hear("worker-1", 11, 11, told(1))
    assert handled(total) == 8
    monkeypatch.setattr(summing, "SILENT", -1.0)
    total.hear("worker-1", 11, 11, told(2))
    assert handled(total) == 9
    assert total.snapshot(WORKERS).sum.now == Now(), "nobody has told for long how it stands"


def test_what_a_child_has_counted_that_a_reload_has_taken_away_stays_in_the_sum() -> None:
    total = Sum()
    total.hear("worker-3", 3, 3, told(7))
    total.ended("worker-3", 3)
    assert handled(total) == 7
    assert "worker-3" not in total.snapshot(WORKERS).processes


def test_one_that_was_silent_for_a_while_beside_its_successor_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a reload it finishes what it has begun; a handler that computes may keep it from telling anything."""
    total = Sum()
    total.hear("worker-1", 1, 1, told(7))
    monkeypatch.setattr(summing, "SILENT", -1.0)
    total.hear("worker-1", 11, 11, told(1))
    total.hear("worker-1", 1, 1, told(8))
    assert handled(total) == 9
    total.ended("worker-1", 1)
    assert handled(total) == 9
