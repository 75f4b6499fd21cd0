"""Many rows in one statement, on both databases."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from runner.ledger.database import Database
from runner.ledger.hops import HopKey, HopStatements, begun
from runner.ledger.tables import HOP
from runner.ledger.upsert import SIZES, Row, Upsert


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    database = Database(ledger_url)
    database.upgrade()
    yield database
    database.close()


def write(database: Database, upsert: Upsert, rows: list[Row]) -> int:
    with database.transaction() as connection:
        return upsert.execute(connection, rows)


def stored(database: Database) -> dict[str, tuple[str, float, float | None]]:
    query = select(HOP.c.copy, HOP.c.state, HOP.c.changed_at, HOP.c.key_born_at)
    with database.connection() as connection:
        return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(query)}


@pytest.mark.parametrize("number", [1, 2, SIZES[-1] - 1, SIZES[-1], sum(SIZES), 2 * SIZES[0] + SIZES[-1] + 7])
def test_each_row_is_written_however_many_there_are(database: Database, number: int) -> None:
    rows = [begun(HopKey(f"m{n}", "in"), 0.1 + n, "me") for n in range(number)]
    assert write(database, HopStatements(database).begin_new, rows) == number
    assert stored(database) == {f"m{n}": ("begun", 0.1 + n, 0.1 + n) for n in range(number)}


def test_rows_that_stay_as_they_are_do_not_count(database: Database) -> None:
    begin = HopStatements(database).begin_new
    write(database, begin, [begun(HopKey("m1", "in"), 1.0, "other")])
    assert write(database, begin, [begun(HopKey(name, "in"), 2.0, "me") for name in ("m1", "m2")]) == 1
    assert stored(database) == {"m1": ("begun", 1.0, 1.0), "m2": ("begun", 2.0, 2.0)}


def test_of_rows_with_one_key_the_last_one_stays(database: Database) -> None:
    begin = HopStatements(database).by_name["begin"]
    assert isinstance(begin, Upsert)
    rows = [begun(HopKey(name, "in"), at, "me") for at in (1.0, 2.0, 3.0) for name in ("m1", "m2")]
    assert write(database, begin, rows) == 6
    assert stored(database) == {"m1": ("begun", 3.0, 1.0), "m2": ("begun", 3.0, 1.0)}
