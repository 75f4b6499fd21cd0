"""Forgetting in small steps, and what is never forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import func, select

from runner.ledger.database import Database
from runner.ledger.hops import HopKey, Records
from runner.ledger.ledger import Ledger
from runner.ledger.purge import STEP, Step, purge_step
from runner.ledger.tables import FACT, HOP, REQUEST
from tests.ledger.ledgers import judge, published, record, settled
from tests.waiting import wait_until

OLD, BEFORE, YOUNG = 1_000.0, 2_000.0, 3_000.0


@pytest.fixture
def database(ledger: Ledger) -> Database:
    return ledger._database


def forget(database: Database, *, before: float = BEFORE, now: float = BEFORE) -> int:
    """Until there is nothing left to forget; the number of steps."""
    after, steps = "", 0
    while True:
        with database.transaction() as connection:
            after = purge_step(connection, after, before=before, now=now).after
        steps += 1
        if not after:
            return steps


def rows(database: Database, table: object) -> int:
    with database.connection() as connection:
        count = connection.execute(select(func.count()).select_from(table)).scalar_one()  # type: ignore[arg-type]
        return int(count)


def test_what_has_not_changed_for_long_is_forgotten_with_its_facts(ledger: Ledger, database: Database) -> None:
    for name, at in (("m1", OLD), ("m2", YOUNG)):
        records = settled(HopKey(name, "in"), at=at)
        records.recorded(name, "payment", '"paid"', at)
        record(ledger, records)
    forget(database)
    assert ledger.journey("m1") is None
    assert ledger.journey("m2") is not None
    assert rows(database, FACT) == 1


def test_a_journey_is_forgotten_as_a_whole(ledger: Ledger, database: Database) -> None:
    record(ledger, settled(HopKey("m1", "in"), at=OLD))
    record(ledger, settled(HopKey("m1.1", "out"), at=YOUNG))
    forget(database)
    journey = ledger.journey("m1")
    assert journey is not None
    assert len(journey.hops) == 2


def test_what_a_handler_that_runs_once_has_begun_and_not_finished_stays(ledger: Ledger, database: Database) -> None:
    begun, failed, dead, finished = [HopKey(name, "in") for name in ("begun", "failed", "dead", "finished")]
    judge(ledger, begun, failed, dead, finished)
    record(ledger, settled(failed, "waiting", at=OLD))
    record(ledger, settled(dead, "dead", at=OLD))
    record(ledger, settled(finished, at=OLD, result=b"[]"))
    forget(database, before=9e9, now=9e9)
    assert [key.copy for key in (begun, failed, dead, finished) if ledger.journey(key.copy)] == [
        "begun",
        "failed",
        "dead",
    ]


def test_what_a_handler_that_runs_once_has_finished_is_known_for_a_day_though_the_rest_is_forgotten_sooner(
    ledger: Ledger, database: Database
) -> None:
    """The broker may be away meanwhile, and deliver it again."""
    once = HopKey("once", "in")
    judge(ledger, once)
    record(ledger, settled(once, at=OLD, result=b"[]"))
    record(ledger, settled(HopKey("other", "in"), at=OLD))
    forget(database, now=OLD + 86_000)
    assert [judge(ledger, once)[0].standing, ledger.journey("other")] == ["finished", None]
    forget(database, now=OLD + 87_000)
    assert ledger.journey("once") is None


def test_what_waits_for_longer_than_it_is_kept_is_known_until_then(ledger: Ledger, database: Database) -> None:
    record(ledger, settled(HopKey("m1", "in"), "waiting", at=OLD, next_at=YOUNG))
    forget(database)
    assert ledger.journey("m1") is not None
    forget(database, before=YOUNG + 1)
    assert ledger.journey("m1") is None


def test_many_are_forgotten_in_small_steps(ledger: Ledger, database: Database) -> None:
    records = Records()
    for number in range(STEP * 3):
        records.add(published(HopKey(f"m{number:05}", "in"), at=OLD if number % 2 else YOUNG))
    record(ledger, records)
    assert forget(database) == 4
    assert rows(database, HOP) == STEP * 3 / 2


def test_a_journey_with_more_hops_than_a_step_is_looked_at_as_a_whole(ledger: Ledger, database: Database) -> None:
    records = Records()
    for number in range(STEP * 2):
        records.add(published(HopKey(f"m1.{number}", "in"), at=OLD))
    records.add(published(HopKey("m1", "zz"), at=YOUNG))
    record(ledger, records)
    forget(database)
    assert rows(database, HOP) == STEP * 2 + 1
    forget(database, before=9e9)
    assert rows(database, HOP) == 0


def test_a_key_that_has_expired_is_forgotten(ledger: Ledger, database: Database) -> None:
    with database.transaction() as connection:
        row = {"caller": "c", "fingerprint": "", "message": "m", "busy_until": 0.0}
        new = [
            {**row, "key": f"k{number}", "expires_at": OLD if number % 2 else YOUNG} for number in range(STEP * 2 + 10)
        ]
        connection.execute(database.insert(REQUEST), new)
        assert purge_step(connection, "", before=BEFORE, now=BEFORE) == ("", STEP)
    assert rows(database, REQUEST) == STEP + 10, "a step is small"
    forget(database)
    assert rows(database, REQUEST) == STEP + 5


def test_an_open_ledger_forgets_by_itself(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ledger.ledger.EVERY", 0.02)
    ledger = Ledger(ledger_url, keep=60.0).open(timeout=30.0)
    record(ledger, published(HopKey("young", "in")))
    record(ledger, published(HopKey("old", "in"), at=OLD))
    wait_until(lambda: ledger.journey("old") is None)
    assert ledger.journey("young") is not None
    ledger.close()


def test_what_there_is_to_forget_is_not_forgotten_slower_than_it_comes(
    ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def step_before_a_long_wait(*arguments: Any, **options: Any) -> Step:
        step = purge_step(*arguments, **options)
        if step.forgotten:
            monkeypatch.setattr("runner.ledger.ledger.EVERY", 3600.0)
        return step

    monkeypatch.setattr("runner.ledger.ledger.EVERY", 0.02)
    monkeypatch.setattr("runner.ledger.ledger.purge_step", step_before_a_long_wait)
    ledger = Ledger(ledger_url, keep=60.0).open(timeout=30.0)
    records = Records()
    for number in range(STEP * 2):
        records.add(published(HopKey(f"m{number:05}", "in"), at=OLD))
    record(ledger, records)
    wait_until(lambda: rows(ledger._database, HOP) == 0)
    ledger.close()
