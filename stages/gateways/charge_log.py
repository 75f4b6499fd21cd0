"""What the simulated gateway remembers, in an SQLite file that all its processes share.

One row of `charge` for each charge that was really made: that is what to count. A card is known
by its last four digits alone (PCI DSS 3.4.1). Left out: which card is answered how.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stages.gateways.contract import Charge

BUSY_TIMEOUT = 30.0
"""Seconds that a process waits for another one's transaction, which takes microseconds."""

_AGAIN = 0.01
"""Seconds."""

_turn = threading.Lock()
"""Among the threads of a process: SQLite's own waiting sleeps for a millisecond and more."""

_TABLES = (
    """CREATE TABLE IF NOT EXISTS charge (
        number    INTEGER PRIMARY KEY,
        id        TEXT NOT NULL UNIQUE,
        key       TEXT NOT NULL,
        amount    INTEGER,
        currency  TEXT,
        last4     TEXT,
        reference TEXT,
        time      TEXT NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS charge_by_key ON charge (key)",
    "CREATE TABLE IF NOT EXISTS request (key TEXT PRIMARY KEY)",
)


@dataclass(frozen=True, slots=True)
class Made:
    """A charge that was made."""

    id: str
    time: datetime
    amount: int | None
    currency: str | None
    last4: str | None

    def is_for(self, charge: Charge) -> bool:
        """Whether `charge` orders the same."""
        return (self.amount, self.currency, self.last4) == (charge.amount, charge.currency, last_four(charge))


class ChargeLog:
    """The file at `path`, opened at its first use; used by one thread at a time. Raises OSError
    and sqlite3.Error."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._opened: sqlite3.Connection | None = None

    def close(self) -> None:
        """It is opened again when it is used again."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Nobody else reads or writes between what is read and written inside."""
        with _turn:
            database = self._database()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def made(self, key: str) -> Made | None:
        """The first charge with this key; None: there is none."""
        found = self._database().execute(
            "SELECT id, time, amount, currency, last4 FROM charge WHERE key = ? ORDER BY number LIMIT 1", [key]
        )
        row = found.fetchone()
        return Made(row[0], datetime.fromisoformat(row[1]), *row[2:]) if row else None

    def count(self, key: str) -> int:
        """How many charges were made with this key."""
        (count,) = self._database().execute("SELECT count(*) FROM charge WHERE key = ?", [key]).fetchone()
        return int(count)

    def make(self, charge: Charge, id: str) -> Made:
        """Write down that this charge was made now."""
        now = datetime.now(UTC)
        row = (id, charge.key, charge.amount, charge.currency, last_four(charge), charge.reference, now.isoformat())
        self._database().execute(
            "INSERT INTO charge (id, key, amount, currency, last4, reference, time) VALUES (?, ?, ?, ?, ?, ?, ?)", row
        )
        return Made(id, now, charge.amount, charge.currency, last_four(charge))

    def is_first_request(self, key: str) -> bool:
        """Whether nobody has asked this with `key` before."""
        return self._database().execute("INSERT OR IGNORE INTO request VALUES (?)", [key]).rowcount == 1

    def _database(self) -> sqlite3.Connection:
        if self._opened is None:
            self._opened = _open(self._path)
        return self._opened


def last_four(charge: Charge) -> str | None:
    """Of the number of the card; None where the charge has a token instead."""
    return charge.card[-4:] if charge.card else None


def _write_ahead(database: sqlite3.Connection) -> None:
    """While another process does the same, SQLite refuses it at once, whatever its timeout."""
    deadline = time.monotonic() + BUSY_TIMEOUT
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_AGAIN)
        else:
            return


def _open(path: Path) -> sqlite3.Connection:
    """For this user alone; SQLite gives the files beside it the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(FileExistsError):  # to open and close that would drop the locks that SQLite has on it
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    database = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None)
    try:
        _write_ahead(database)
        # Outlives every death of a process, and costs no write to the disk for each charge. A power
        # cut may take the last ones, which a test double may forget.
        database.execute("PRAGMA synchronous = NORMAL")
        for statement in _TABLES:
            database.execute(statement)
    except BaseException:
        database.close()
        raise
    return database
