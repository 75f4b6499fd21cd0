"""What is found of the ledger, the clock and the keys."""

from __future__ import annotations

import uuid
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import update

from bench.postgres_node import PostgresNode
from runner.config.loader import LoadedPipeline
from runner.doctor import remembered
from runner.doctor.remembered import keys, ledger
from runner.findings import Finding
from runner.ledger.database import Database
from runner.ledger.ledger import Ledger
from runner.ledger.tables import SETTING, VERSION
from runner.privacy.keyset import make_keys
from tests.pipelines import loaded

PIPELINE = "name: t\nbroker: BROKER\nledger: 'LEDGER'\nkeys: file:keys\nqueues: {a: {external: true}}\nstages: {}\n"


def pipeline(folder: Path, url: str = "sqlite:ledger.db", more: str = "") -> LoadedPipeline:
    return loaded(folder, PIPELINE.replace("LEDGER", url) + more)


def test_what_the_first_run_makes_is_no_fault_and_is_not_made_by_looking(tmp_path: Path) -> None:
    found = [*ledger(pipeline(tmp_path)), *keys(pipeline(tmp_path))]
    assert [(one.level, one.subject) for one in found] == [("ok", "ledger"), ("ok", "keys")]
    assert {path.name for path in tmp_path.iterdir()} == {"pipeline.yaml"}


def test_a_ledger_that_is_there_tells_its_version(tmp_path: Path, ledger_url: str) -> None:
    Ledger(ledger_url).open(timeout=30).close()
    [found] = ledger(pipeline(tmp_path, ledger_url))
    assert found.level == "ok"
    assert found.text.endswith(f", of version {VERSION}")


def test_a_ledger_of_a_newer_runner_is_a_fault(tmp_path: Path, ledger_url: str) -> None:
    Ledger(ledger_url).open(timeout=30).close()
    database = Database(ledger_url)
    with database.transaction() as connection:
        connection.execute(update(SETTING).where(SETTING.c.name == "version").values(value="99"))
    database.close()
    [found] = ledger(pipeline(tmp_path, ledger_url))
    assert (found.level, found.remedy) == ("fault", "update the runner")


def test_a_ledger_that_is_away_or_damaged_is_a_fault(tmp_path: Path) -> None:
    [away] = ledger(pipeline(tmp_path, "postgresql://me:secret@127.0.0.1:1/ledger"))
    assert (away.level, away.remedy) == ("fault", "start it, or correct 'ledger' in the file")
    assert "secret" not in away.text
    (tmp_path / "ledger.db").write_bytes(b"no database, though it is long enough to be one" * 100)
    [damaged] = ledger(pipeline(tmp_path))
    assert damaged.level == "fault"
    assert "ledger.db" in damaged.text


def test_a_standby_and_a_clock_that_differs_are_told(
    tmp_path: Path, postgres_node: PostgresNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_node.new_database()
    with psycopg.connect(url, autocommit=True) as connection:
        name = connection.info.dbname
        connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    monkeypatch.setattr(remembered, "LARGEST_SKEW", -1.0)  # every clock differs by more
    found, clock = ledger(pipeline(tmp_path, url))
    assert (found.level, found.remedy) == ("fault", "name the primary, not a standby")
    assert (clock.level, clock.subject) == ("warning", "clock")


def test_a_user_of_postgresql_who_may_only_read_is_told_the_rights_that_he_needs(
    postgres_node: PostgresNode, tmp_path: Path
) -> None:
    url, reader = postgres_node.new_database(), f"reader_{uuid.uuid4().hex[:8]}"
    Ledger(url).open(timeout=30.0).close()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {reader} LOGIN")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    [found] = ledger(pipeline(tmp_path, url.replace("runner@", f"{reader}@")))
    assert (found.level, found.subject) == ("fault", "ledger")
    assert found.remedy == "give it SELECT, INSERT, UPDATE and DELETE on all tables there"


def test_keys_that_are_missing_in_production_or_open_to_others_are_told(tmp_path: Path) -> None:
    [missing] = keys(pipeline(tmp_path, more="production: true\n"))
    assert (missing.level, missing.remedy) == ("fault", "mount the file, or make it: 'runner keys generate'")
    make_keys(tmp_path / "keys")
    [found] = keys(pipeline(tmp_path))
    assert (found.level, found.text.split(" in ")[0]) == ("ok", "1 key")
    (tmp_path / "keys").chmod(0o644)
    assert next(keys(pipeline(tmp_path))) == Finding(
        "warning", "keys", f"every user of this machine may read {tmp_path / 'keys'}", f"chmod 600 {tmp_path / 'keys'}"
    )
