"""The embedded broker's shelf, beyond the contract: what other programs have written into the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.embedded.shelf import opened
from runner.errors import BrokerSetupError
from tests.brokers.holder import broker_at
from tests.brokers.plans import to, topology


def test_headers_that_are_no_json_count_as_none(tmp_path: Path) -> None:
    file = tmp_path / "broker.db"
    broker = broker_at(f"embedded:{file}", "test")
    broker.start(topology(), timeout=30)
    broker.publish([to("work.dlq", id="m", headers={"a": 1})])
    broker.close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE message SET headers = 'nonsense'")
        connection.commit()
    with opened([f"embedded:{file}"], "test", "work.dlq") as on:
        assert [(m.id, m.headers) for m in on.look()] == [("m", {})]


def test_a_file_that_is_missing_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(BrokerSetupError, match="not there yet"), opened([f"embedded:{tmp_path / 'b.db'}"], "t", "q"):
        pass
    assert not list(tmp_path.iterdir())
