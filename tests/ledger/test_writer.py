"""One thread that writes what has come together, and waits for a database that is away."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Self

import pytest
from sqlalchemy import Connection, insert, select

from runner.errors import LedgerAwayError, LedgerDeadlockError, LedgerError, LedgerSetupError
from runner.ledger.database import Database
from runner.ledger.tables import SETTING
from runner.ledger.writer import Writer
from tests.ledger.ledgers import Asked
from tests.waiting import wait_until


class Note:
    """A job that writes its name."""

    patient = True
    after_others = False

    def __init__(self, name: str, *, value: Any = "") -> None:
        self.name = name
        self.value = value
        self.done = Asked()

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        connection.execute(insert(SETTING), [{"name": job.name, "value": job.value} for job in jobs])


class Look:
    """A job that reads what is written."""

    patient = True
    after_others = True

    def __init__(self) -> None:
        self.found: list[str] = []
        self.done = Asked()

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        for job in jobs:
            job.found = sorted(connection.execute(select(SETTING.c.name)).scalars())


class Hasty(Note):
    """Another kind of job, which doesn't wait."""

    patient = False


class Faulty(Database):
    """A database whose next transactions fail, and that counts them."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.faults: list[Exception] = []
        self.begun = 0
        self.gate = threading.Event()
        self.gate.set()

    @contextmanager
    def transaction(self, wait: float | None = None, *, prompt: bool = False) -> Iterator[Connection]:
        self.gate.wait()
        self.begun += 1
        if self.faults:
            raise self.faults.pop(0)
        with super().transaction(wait, prompt=prompt) as connection:
            yield connection


class Told:
    """What the writer has told of the database."""

    def __init__(self) -> None:
        self.away: list[tuple[str, bool]] = []
        self.back = 0

    def is_away(self, reason: str, first: bool) -> None:
        self.away.append((reason, first))

    def is_back(self) -> None:
        self.back += 1


@pytest.fixture
def database(tmp_path: Path) -> Faulty:
    found = Faulty(f"sqlite:{tmp_path / 'ledger.db'}")
    found.upgrade()
    found.begun = 0
    return found


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def writer(database: Faulty, told: Told, monkeypatch: pytest.MonkeyPatch) -> Iterator[Writer]:
    """It may be used, and has not begun yet."""
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.02)
    found = Writer(database, away=told.is_away, back=told.is_back)
    found.is_away = ""
    yield found
    database.gate.set()
    found.close(timeout=5.0)
    database.close()


def stored(database: Database) -> set[str]:
    with database.connection() as connection:
        return {name for name in connection.execute(select(SETTING.c.name)).scalars() if name != "version"}


def test_where_many_jobs_come_a_transaction_waits_for_more(
    writer: Writer, database: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.writer.GATHERING", 60.0)
    notes = [Note(f"n{number}") for number in range(5)]
    for note in notes[:2]:
        writer.submit(note)
    writer.start()
    assert [note.done.wait() for note in notes[:2]] == [(None,)] * 2
    for note in notes[2:]:
        writer.submit(note)
    writer.close(timeout=5.0)  # which waits for no more
    assert stored(database) == {note.name for note in notes}
    assert database.begun == 2


def test_what_nobody_waits_for_is_written_with_what_comes_next(
    writer: Writer, database: Faulty, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.writer.UNHURRIED", 60.0)
    notes = [Note(f"n{number}") for number in range(4)]
    writer.start()
    for note in notes:
        writer.submit(note, hurry=note is notes[-1])
    assert [note.done.wait() for note in notes] == [(None,)] * 4
    assert database.begun == 1


def test_what_nobody_waits_for_is_written_though_nothing_comes(writer: Writer) -> None:
    note = Note("n")
    writer.start()
    writer.submit(note, hurry=False)
    assert note.done.wait() == (None,)


def test_what_has_come_together_is_one_transaction(writer: Writer, database: Faulty) -> None:
    jobs = [Note(f"n{number}") for number in range(50)]
    for job in jobs:
        writer.submit(job)
    writer.start()
    assert [job.done.wait() for job in jobs] == [(None,)] * 50
    assert database.begun == 1
    assert len(stored(database)) == 50


def test_one_that_is_refused_does_not_harm_the_others(writer: Writer, database: Faulty) -> None:
    jobs = [Note("a"), Note("version"), Note("b")]
    for job in jobs:
        writer.submit(job)
    writer.start()
    (a,), (refused,), (b,) = [job.done.wait() for job in jobs]
    assert (a, b) == (None, None)
    assert isinstance(refused, LedgerError)
    assert "UNIQUE" in str(refused)
    assert stored(database) == {"a", "b"}


def test_what_no_database_can_hold_is_refused_and_logged(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    job = Note("a", value="\udc80")
    writer.submit(job)
    writer.start()
    [refused] = job.done.wait()
    assert "surrogates not allowed" in str(refused)
    assert "a record could not be written" in caplog.text


@pytest.mark.parametrize("fault", [LedgerAwayError("gone"), LedgerSetupError("no table")])
def test_a_job_waits_while_the_database_is_away(
    writer: Writer, database: Faulty, told: Told, fault: LedgerError
) -> None:
    database.faults = [fault] * 3
    job = Note("a")
    writer.submit(job)
    writer.start()
    assert job.done.wait() == (None,)
    assert told.away == [(str(fault), True), (str(fault), False), (str(fault), False)]
    assert told.back == 1
    assert writer.is_away == ""
    assert stored(database) == {"a"}


def test_an_impatient_job_is_told_at_once_and_not_written(writer: Writer, database: Faulty) -> None:
    database.faults = [LedgerAwayError("gone")] * 2
    patient, hasty = Note("a"), Hasty("b")
    writer.submit(patient)
    writer.submit(hasty)
    writer.start()
    [error] = hasty.done.wait()
    assert str(error) == "gone"
    assert patient.done.wait() == (None,)
    assert stored(database) == {"a"}


def test_a_database_that_comes_back_is_noticed_though_nobody_asks(writer: Writer, database: Faulty, told: Told) -> None:
    database.faults = [LedgerAwayError("gone")] * 3
    job = Hasty("a")
    writer.submit(job)
    writer.start()
    job.done.wait()
    wait_until(lambda: told.back)
    assert writer.is_away == ""


def test_a_deadlock_is_no_outage(writer: Writer, database: Faulty, told: Told) -> None:
    database.faults = [LedgerDeadlockError("deadlock detected")]
    job = Hasty("a")
    writer.submit(job)
    writer.start()
    assert job.done.wait() == (None,)
    assert told.away == []


def test_who_reads_what_others_write_comes_after_them(writer: Writer, database: Faulty) -> None:
    """A delivery may come again while what became of it is still to be recorded."""
    database.gate.clear()
    first = Note("held")
    writer.submit(first)
    writer.start()
    before, note, look = Look(), Note("a"), Look()
    for job in (before, note, look):
        writer.submit(job)
    database.gate.set()
    look.done.wait()
    assert look.found == ["a", "held", "version"]


def test_a_callback_that_fails_harms_nobody_else(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    def fail(error: LedgerError | None) -> None:
        raise KeyError("bug")

    faulty, other = Note("a"), Note("b")
    faulty.done = fail  # type: ignore[assignment]
    writer.submit(faulty)
    writer.submit(other)
    writer.start()
    assert other.done.wait() == (None,)
    assert "what waited for a record has failed" in caplog.text


def test_who_watches_and_fails_does_not_end_the_writing(database: Faulty, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.02)

    def fail(*_: object) -> None:
        raise KeyError("bug")

    writer = Writer(database, away=fail, back=fail)
    writer.is_away = ""
    database.faults = [LedgerAwayError("gone")]
    job = Note("a")
    writer.submit(job)
    writer.start()
    assert job.done.wait() == (None,)
    writer.close(timeout=5.0)


def test_what_was_submitted_is_written_before_it_ends(writer: Writer, database: Faulty) -> None:
    database.gate.clear()
    jobs = [Note(f"n{number}") for number in range(5000)]
    for job in jobs:
        writer.submit(job)
    writer.start()
    database.gate.set()
    writer.close(timeout=30.0)
    assert len(stored(database)) == 5000


def test_it_ends_in_time_though_the_database_is_away(writer: Writer, database: Faulty) -> None:
    database.faults = [LedgerAwayError("gone")] * 1_000_000
    writer.submit(Note("a"))
    writer.start()
    wait_until(lambda: database.begun)
    writer.close(timeout=0.1)
    wait_until(lambda: not writer._thread.is_alive())
    assert stored(database) == set()


def test_a_file_that_another_program_holds_too_long_is_waited_for(
    tmp_path: Path, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.database.BUSY_TIMEOUT", 0.05)
    monkeypatch.setattr("runner.ledger.writer.RETRY", 0.02)
    database = Database(f"sqlite:{tmp_path / 'ledger.db'}")
    database.upgrade()
    writer = Writer(database, away=told.is_away, back=told.is_back)
    writer.is_away = ""
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        writer.start()
        patient, hasty = Note("a"), Hasty("b")
        writer.submit(patient)
        writer.submit(hasty)
        [error] = hasty.done.wait()
        assert "locked" in str(error)
        assert "locked" in writer.is_away
    assert patient.done.wait() == (None,)
    wait_until(lambda: told.back == 1)
    writer.close(timeout=5.0)
    assert stored(database) == {"a"}
    database.close()
