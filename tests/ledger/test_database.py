"""Connections and transactions, in both databases."""

from __future__ import annotations

import socket
import sqlite3
import struct
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from sqlalchemy import event, insert, select

from bench.postgres_node import PostgresNode
from runner.errors import LedgerAwayError, LedgerError, LedgerSetupError
from runner.ledger.database import Database, locked
from runner.ledger.holders import AdvisoryLocks
from runner.ledger.ledger import Ledger
from runner.ledger.tables import REQUEST, SETTING
from tests.test_locks import is_locked
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]
OPENS = """
import sys
from runner.ledger.ledger import Ledger
ledger = Ledger(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
ledger.open(timeout=60.0)
print(ledger.secret.hex())
ledger.close()
"""


@pytest.fixture
def database(ledger_url: str) -> Iterator[Database]:
    found = Database(ledger_url)
    found.upgrade()
    yield found
    found.close()


@pytest.fixture
def free_url() -> str:
    pytest.importorskip("psycopg")
    return "postgresql://me:hunter2@127.0.0.1:1/shop"


def names(database: Database) -> list[str]:
    with database.connection() as connection:
        return sorted(connection.execute(select(SETTING.c.name)).scalars())


def test_several_processes_that_open_a_fresh_ledger_at_once_make_one(ledger_url: str) -> None:
    opening = [
        subprocess.Popen(
            [sys.executable, "-c", OPENS, ledger_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        for _ in range(4)
    ]
    for process in opening:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in opening:  # all of them go at once
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    ended = [process.communicate(timeout=60) for process in opening]
    assert [process.returncode for process in opening] == [0] * 4, ended
    assert len({secret for secret, _ in ended}) == 1, "all of them have the same secret"


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(SETTING).values(name="kept", value="1"))
    with suppress(KeyError), database.transaction() as connection:
        connection.execute(insert(SETTING).values(name="dropped", value="1"))
        raise KeyError
    assert names(database) == ["kept", "version"]


def test_what_is_there_is_left_alone(database: Database) -> None:
    for value in ("first", "second"):
        with database.transaction() as connection:
            connection.execute(database.add_missing(SETTING), [{"name": "once", "value": value}])
    with database.connection() as connection:
        assert connection.execute(select(SETTING.c.value).where(SETTING.c.name == "once")).scalar_one() == "first"


def test_rows_are_found_by_their_keys_however_many_others_there_are(ledger_url: str) -> None:
    """Looked for as pairs, SQLite would read the whole table at each request."""
    database = Database(ledger_url)
    plans: list[Any] = []
    database.upgrade()
    row = {"fingerprint": "", "message": "m", "answer": None, "busy_until": 0.0, "expires_at": 1.0}
    keys = [("POST /b", "2"), ("POST /a", "1"), ("POST /a", "3"), ("POST /c", "nobody's")]
    with database.transaction() as connection:
        connection.execute(database.insert(REQUEST), [{"caller": one, "key": other, **row} for one, other in keys[:3]])

        @event.listens_for(connection, "after_cursor_execute")
        def look(_connection: object, cursor: Any, statement: str, values: Any, *_: object) -> None:
            if database.is_sqlite:
                plans.extend(cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", values).fetchall())

        found = [(row["caller"], row["key"]) for row in locked(connection, REQUEST, keys)]
    assert found == [("POST /a", "1"), ("POST /a", "3"), ("POST /b", "2")]
    assert not [plan for plan in plans if "SCAN" in plan[-1]]
    database.close()


def test_a_value_that_is_refused_is_no_outage_and_is_not_told(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(SETTING).values(name="there", value="hunter2"))
    with pytest.raises(LedgerError) as raised, database.transaction() as connection:
        connection.execute(insert(SETTING).values(name="there", value="hunter3"))
    assert not isinstance(raised.value, LedgerAwayError)
    assert "hunter" not in str(raised.value)


def test_a_server_that_is_not_there_is_away_and_its_password_is_not_told(free_url: str) -> None:
    database = Database(free_url)
    with pytest.raises(LedgerAwayError) as raised:
        database.upgrade()
    assert "hunter2" not in str(raised.value)
    database.close()


@pytest.mark.parametrize(
    ("user", "database", "said"),
    [("nobody", "", 'role "nobody" does not exist'), ("", "nowhere", 'database "nowhere" does not exist')],
)
def test_who_may_not_come_in_is_told_what_to_correct(
    postgres_node: PostgresNode, user: str, database: str, said: str
) -> None:
    parts = urlsplit(postgres_node.new_database())
    place = parts._replace(
        netloc=f"{user}@{parts.netloc.rpartition('@')[2]}" if user else parts.netloc,
        path=f"/{database}" if database else parts.path,
    )
    found = Database(urlunsplit(place))
    with pytest.raises(LedgerAwayError) as raised:
        found.upgrade()
    found.close()
    assert said in str(raised.value)
    assert str(raised.value).endswith(
        "(correct the user, the password or the database of 'ledger', or give this user its rights)"
    )


def test_a_probe_writes_each_time_so_that_a_full_disk_is_noticed(database: Database) -> None:
    written = set()
    for _ in range(2):
        with database.transaction() as connection:
            database.probe(connection)
            query = select(SETTING.c.value).where(SETTING.c.name == "probe")
            written.add(connection.execute(query).scalar_one())
    assert len(written) == 2


def test_who_may_only_read_reads_and_is_told_what_writing_needs(postgres_node: PostgresNode) -> None:
    url, reader = postgres_node.new_database(), f"reader_{uuid.uuid4().hex[:8]}"
    first = Ledger(url).open(timeout=30.0)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {reader} LOGIN")
        connection.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {reader}")
    ledger = Ledger(url.replace("runner@", f"{reader}@"))
    ledger.prepare_reading()
    assert ledger.secret == first.secret
    assert ledger.journey("m1") is None
    with pytest.raises(LedgerSetupError, match=r"permission denied for table setting \(correct the user"):
        ledger.pauses.put("one", "why", "who")
    ledger.close()
    first.close()


def test_what_another_program_locks_can_be_read(tmp_path: Path) -> None:
    url = f"sqlite:{tmp_path / 'ledger.db'}"
    Ledger(url).open(timeout=30.0).close()
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ledger = Ledger(url)
        ledger.prepare_reading()
        assert ledger.journey("m1") is None
        ledger.close()


def test_a_server_whose_machine_is_gone_is_noticed_soon(
    postgres_node: PostgresNode,
) -> None:
    """What the kernel does then can't be had on one machine: this is what it is asked for."""
    url = postgres_node.new_database()
    database, holders = Database(url), AdvisoryLocks(url)
    holders.appear()
    with database.connection() as connection:
        for session in (connection.connection.dbapi_connection, holders._session):
            asked = session.info.get_parameters()  # type: ignore[union-attr]
            waits = [int(asked[f"keepalives_{what}"]) for what in ("idle", "interval", "count")]
            assert waits[0] + waits[1] * waits[2] <= 30
            assert int(asked["tcp_user_timeout"]) <= 30_000
    holders.vanish()
    database.close()


def test_a_refused_password_is_told_without_it(free_url: str) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        threading.Thread(target=refuse, args=(server,), daemon=True).start()
        found = Database(
            f"{free_url.replace(':1/', f':{server.getsockname()[1]}/')}?sslmode=disable&gssencmode=disable"
        )
        with pytest.raises(LedgerAwayError, match=r'password authentication failed for user "me" \(correct the user'):
            found.upgrade()
        found.close()


def refuse(server: socket.socket) -> None:
    """As PostgreSQL refuses a password (its protocol, version 3)."""
    client, _ = server.accept()
    with client:
        client.recv(1024)
        client.sendall(b"R" + struct.pack("!II", 8, 3))  # AuthenticationCleartextPassword
        client.recv(1024)
        fields = b'SFATAL\0C28P01\0Mpassword authentication failed for user "me"\0\0'
        client.sendall(b"E" + struct.pack("!I", len(fields) + 4) + fields)


def test_a_file_that_another_program_holds_is_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ledger.database.BUSY_TIMEOUT", 0.05)
    path = tmp_path / "ledger.db"
    database = Database(f"sqlite:{path}")
    database.upgrade()
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerAwayError, match="locked"), database.transaction():
            pass
    with database.transaction():
        pass
    database.close()


@pytest.mark.parametrize("wait", [60.0, None])
def test_who_waits_to_write_comes_before_who_has_just_written(tmp_path: Path, wait: float | None) -> None:
    url = f"sqlite:{tmp_path / 'ledger.db'}"
    busy, other = Database(url), Database(url)  # which lock each other out as two processes do
    busy.upgrade()
    written: list[Database] = []

    def write(database: Database, wait: float | None) -> None:
        with database.transaction(wait=wait):
            written.append(database)

    waiting = threading.Thread(target=write, args=(other, wait))
    with busy.transaction(wait=None):
        waiting.start()
        wait_until(lambda: is_locked(tmp_path / "ledger.db.run" / "write.next"))
    write(busy, None)
    waiting.join()
    assert written == [other, busy]
    busy.close()
    other.close()


def test_a_file_that_was_removed_or_replaced_is_used_no_more(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    database, other = Database(f"sqlite:{path}"), Database(f"sqlite:{path}")
    database.upgrade()
    for file in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (tmp_path / file).unlink(missing_ok=True)
    for look in (database.transaction, database.connection):
        with pytest.raises(LedgerSetupError, match=rf"{path}: was removed or replaced while it was in use"), look():
            pass
    assert not path.exists()
    other.upgrade()  # of a run that starts then
    with pytest.raises(LedgerSetupError, match="start again"):
        names(database)
    other.close()
    database.close()


def test_a_file_that_is_no_ledger_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    path.write_text("a letter to a friend, which is much longer than the head of a database would be")
    database = Database(f"sqlite:{path}")
    with pytest.raises(LedgerSetupError, match=rf"{path}: file is not a database"):
        database.upgrade()
    database.close()
    assert path.read_text().startswith("a letter")


def test_only_its_owner_may_read_the_file(tmp_path: Path) -> None:
    database = Database(f"sqlite:{tmp_path / 'var' / 'ledger.db'}")
    database.upgrade()
    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "var").iterdir()}
    assert {name: oct(mode) for name, mode in modes.items() if mode & 0o077} == {}
    assert "ledger.db" in modes
    database.close()


def test_nothing_is_made_before_it_is_opened(tmp_path: Path) -> None:
    Database(f"sqlite:{tmp_path / 'var' / 'ledger.db'}").close()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_outage_in_words(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file")
    database = Database(f"sqlite:{tmp_path / 'var' / 'ledger.db'}")
    with pytest.raises(LedgerAwayError, match="var"):
        database.upgrade()
    database.close()


def test_what_is_written_stays_though_another_process_has_opened_and_closed_the_file_meanwhile(tmp_path: Path) -> None:
    """SQLite's locks on a file are the process's. Whoever drops them by mistake is taken for gone,
    and the last one to close the file then removes the log that the others still write to."""
    path = tmp_path / "ledger.db"
    database = Database(f"sqlite:{path}")
    database.upgrade()
    with database.connection() as first, database.connection() as second:
        assert first.connection.dbapi_connection is not second.connection.dbapi_connection
    names = f"sqlite3.connect({str(path)!r}).execute('SELECT name FROM setting ORDER BY name')"
    look = [sys.executable, "-c", f"import sqlite3; print(*(name for name, in {names}))"]
    subprocess.run(look, check=True)
    with database.transaction() as connection:
        connection.execute(insert(SETTING).values(name="kept", value="1"))
    assert subprocess.run(look, check=True, capture_output=True, text=True).stdout == "kept version\n"
    database.close()
