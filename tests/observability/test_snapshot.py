"""What a run has done so far, as values that add up and go through JSON."""

from __future__ import annotations

import orjson

from runner.observability.histogram import Histogram, Tally
from runner.observability.snapshot import (
    Now,
    Process,
    Snapshot,
    StageNow,
    StageTotals,
    Told,
    Totals,
    added,
)


def told(handled: int, *, paused: int = 0, why: str = "", since: float = 0.0) -> Told:
    stage = StageTotals(received=handled, handled=handled, seconds=taking(0.2), calls={"smtp": taking(2.0)})
    totals = Totals(
        {"one": stage},
        {"POST /work": {"202": handled}},
        {"POST /work": handled},
        {"POST /work": taking(0.01)},
        reconnects=1,
        ledger=taking(0.004),
        cpu=0.5,
    )
    return Told(
        totals, Now({"one": StageNow(2, 1, paused, why, since, since, {"closed": 1})}, connected=1, unconfirmed=3)
    )


def taking(*seconds: float) -> Histogram:
    tally = Tally()
    for one in seconds:
        tally.add(one)
    return tally.so_far()


def test_the_counts_of_two_processes_add_up() -> None:
    total = added(told(2), told(3))
    assert total.totals.stages["one"].handled == 5
    assert total.totals.stages["one"].seconds == taking(0.2, 0.2)
    assert total.totals.stages["one"].calls == {"smtp": taking(2.0, 2.0)}
    assert total.totals.requests == {"POST /work": {"202": 5}}
    assert (total.totals.reconnects, total.totals.cpu) == (2, 1.0)
    assert total.now.stages["one"].breaker == {"closed": 2}
    assert (total.now.connected, total.now.unconfirmed) == (2, 6)


def test_a_stage_that_only_one_process_has_is_in_the_sum_as_it_is() -> None:
    assert added(Told(), told(2)) == told(2)
    assert added(told(2), Told()) == told(2)


def test_of_two_pauses_the_sum_has_how_many_why_and_since_when() -> None:
    paused = added(told(1), added(told(1, paused=1, why="no relay", since=20.0), told(1, paused=1, since=10.0)))
    stage = paused.now.stages["one"]
    assert (stage.paused, stage.why, stage.since, stage.reached) == (2, "no relay", 10.0, 20.0)


def test_a_snapshot_comes_out_of_json_as_it_went_in() -> None:
    whole = Snapshot(17.5, {"worker": Process(4711, True, 2, 3.0, told(4)), "mailbox": Process()}, told(4))
    assert Snapshot.from_json(whole.as_json()) == whole
    assert Told.from_json(orjson.loads(told(4).as_json())) == told(4)
