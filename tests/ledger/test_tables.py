"""The tables, and their versions."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from runner.errors import LedgerSetupError
from runner.ledger.database import Database
from runner.ledger.hops import HopKey
from runner.ledger.ledger import Ledger
from runner.ledger.tables import SETTING, VERSION
from tests.ledger.ledgers import judge, published, record

NEW_SINCE_THE_FIRST = [
    "DROP TABLE term",
    *(f"ALTER TABLE hop DROP COLUMN {name}" for name in ("holder", "took", "told")),
]
"""What makes a ledger one of the first version."""


def test_a_ledger_that_is_opened_again_keeps_what_it_has(ledger_url: str) -> None:
    first = Ledger(ledger_url).open(timeout=30.0)
    assert record(first, published(HopKey("m1", "in"))) is None
    first.close()
    again = Ledger(ledger_url).open(timeout=30.0)
    assert again.journey("m1") is not None
    again.close()


def test_a_ledger_of_an_older_runner_is_upgraded_with_what_it_has(ledger_url: str) -> None:
    first = Ledger(ledger_url).open(timeout=30.0)
    assert record(first, published(HopKey("m1", "in"))) is None
    first.close()
    database = Database(ledger_url)
    with database.transaction() as connection:
        for step in ("DROP TABLE api_key", "DROP TABLE spent", *NEW_SINCE_THE_FIRST):
            connection.exec_driver_sql(step)
        connection.execute(update(SETTING).where(SETTING.c.name == "version").values(value="1"))
    database.close()
    several = [Ledger(ledger_url).open(timeout=30.0) for _ in range(2)]
    assert several[0].journey("m1") is not None
    several[0].api_keys.add("shop", None)
    assert [key.caller for key in several[1].api_keys.all()] == ["shop"]
    assert judge(several[1], HopKey("m1", "in"))[0].standing == "new"
    for ledger in several:
        ledger.close()


def test_a_ledger_of_a_newer_runner_is_refused_with_what_to_do(ledger_url: str) -> None:
    database = Database(ledger_url)
    database.upgrade()
    with database.transaction() as connection:
        connection.execute(update(SETTING).where(SETTING.c.name == "version").values(value=str(VERSION + 1)))
    database.close()
    ledger = Ledger(ledger_url)
    with pytest.raises(LedgerSetupError, match=f"the ledger has version {VERSION + 1}.*update the runner"):
        ledger.open(timeout=30.0)
    ledger.close()


def test_a_ledger_of_the_first_version_is_upgraded_with_what_it_has(ledger_url: str) -> None:
    first = Ledger(ledger_url).open(timeout=30.0)
    record(first, published(HopKey("m1", "in")))
    first.close()
    database = Database(ledger_url)
    with database.transaction() as connection:
        for step in ("DROP TABLE api_key", *NEW_SINCE_THE_FIRST):
            connection.exec_driver_sql(step)
        connection.execute(update(SETTING).where(SETTING.c.name == "version").values(value="1"))
    database.close()
    for _ in range(2):
        again = Ledger(ledger_url).open(timeout=30.0)
        assert again.journey("m1") is not None
        again.close()
    again = Ledger(ledger_url).open(timeout=30.0)
    assert [judge(again, HopKey("m1", "in"))[0].standing for _ in range(2)] == ["new", "held"]
    again.close()
