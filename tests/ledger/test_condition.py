"""How a ledger stands: looking makes nothing."""

from __future__ import annotations

import time

from sqlalchemy import inspect

from bench.postgres_node import PostgresNode
from runner.ledger.condition import condition
from runner.ledger.database import Database
from runner.ledger.ledger import Ledger
from runner.ledger.tables import VERSION


def test_one_without_tables_stays_without_them(ledger_url: str) -> None:
    assert condition(ledger_url).version == ""
    database = Database(ledger_url)
    with database.connection() as connection:
        assert inspect(connection).get_table_names() == []
    database.close()


def test_one_with_tables_tells_their_version(ledger_url: str) -> None:
    Ledger(ledger_url).open(timeout=30).close()
    found = condition(ledger_url)
    assert (found.version, found.too_new, found.read_only, found.lacks_rights) == (str(VERSION), False, False, False)


def test_a_server_tells_the_time(postgres_node: PostgresNode) -> None:
    told = condition(postgres_node.new_database()).time
    assert told is not None
    assert abs(time.time() - told) < 3_600
