"""The SQLite file: opened and checked, laid out, explained when it fails, kept small.

Knows nothing about what the messages are for.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from runner.errors import BrokerError, BrokerSetupError, BrokerUnavailableError
from runner.privacy.files import close_to_others, make_file

APPLICATION_ID = 0x52554E52
"""Marks the file as a runner's; SQLite keeps it in the header."""
FORMAT = 1
OLDEST_SQLITE = (3, 32, 0)
"""The first that takes 32,766 parameters in a statement."""
BUSY_TIMEOUT = 5.0
"""Seconds to wait for another program that has locked the file."""
CHECK_TIME = 0.1
"""Seconds that the search for damage may take at the start."""

PAUSED = """
CREATE TABLE IF NOT EXISTS pause (          -- made where it is missing: only looked at, so no other format
  queue  INTEGER NOT NULL,
  owner  INTEGER NOT NULL,
  reason TEXT NOT NULL,
  PRIMARY KEY (queue, owner)
) WITHOUT ROWID;
"""
LAYOUT = f"""
CREATE TABLE queue (
  number     INTEGER PRIMARY KEY,
  name       TEXT NOT NULL UNIQUE,
  max_length INTEGER,
  head       INTEGER NOT NULL,            -- the place of the first message that was never taken
  tail       INTEGER NOT NULL,            -- the place that the next message gets
  returned   INTEGER NOT NULL DEFAULT 0,  -- messages before the head that wait again
  held       INTEGER NOT NULL DEFAULT 0,  -- messages before the head that are in hand
  delayed    INTEGER NOT NULL DEFAULT 0,
  next_due   INTEGER,                     -- when the first of the delayed is due
  largest    INTEGER NOT NULL DEFAULT 0   -- bytes of the largest message since it was last empty
);
CREATE TABLE message (
  place   INTEGER PRIMARY KEY,            -- the queue's number, then the place in it
  id      TEXT NOT NULL,
  headers TEXT,                           -- JSON; NULL for none
  payload BLOB NOT NULL
);
CREATE TABLE taken (                      -- every message before its queue's head
  place   INTEGER PRIMARY KEY,
  owner   INTEGER,                        -- who has it in hand; NULL: nobody, it waits again
  crashes INTEGER NOT NULL                -- holders that died with it
);
CREATE INDEX innocent ON taken (place) WHERE owner IS NULL AND crashes = 0;
CREATE INDEX suspect ON taken (place) WHERE owner IS NULL AND crashes > 0;
CREATE TABLE delayed (
  number  INTEGER PRIMARY KEY,
  queue   INTEGER NOT NULL,
  due     INTEGER NOT NULL,               -- Unix time in milliseconds
  wait    INTEGER,                        -- milliseconds; NULL: an earlier version didn't say
  id      TEXT NOT NULL,
  headers TEXT,
  payload BLOB NOT NULL
);
CREATE INDEX due ON delayed (queue, due);
CREATE TABLE owner (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  token  TEXT NOT NULL UNIQUE,            -- names its lock file
  name   TEXT NOT NULL
);
CREATE TABLE consumer (
  queue INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  PRIMARY KEY (queue, owner)
) WITHOUT ROWID;
{PAUSED}
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {FORMAT};
"""


def open_file(path: Path) -> sqlite3.Connection:
    """Open the broker's file, or create it; the caller holds the write lock.

    Raises BrokerSetupError or BrokerUnavailableError, with a sentence for the operator.
    """
    if sqlite3.sqlite_version_info < OLDEST_SQLITE:
        wanted = ".".join(map(str, OLDEST_SQLITE))
        raise BrokerSetupError(f"{path}: SQLite {wanted} or newer is needed, this Python has {sqlite3.sqlite_version}")
    if path.is_dir():
        raise BrokerSetupError(f"{path}: is a folder; the embedded broker needs a file")
    with explained(path):
        with contextlib.suppress(FileExistsError):  # to open and close that would drop the locks that SQLite has on it
            os.close(make_file(path, os.O_EXCL))
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, cached_statements=256)
        connection.text_factory = partial(str, encoding="utf-8", errors="replace")  # whatever others have written
        try:
            _prepare(path, connection)
        except BaseException:
            connection.close()
            raise
        for suffix in ("", "-wal", "-shm"):  # as an earlier version made them, with the usual umask
            close_to_others(path.with_name(path.name + suffix))
    return connection


def _prepare(path: Path, connection: sqlite3.Connection) -> None:
    if _is_empty(path, connection):
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # only takes effect before the first table
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN IMMEDIATE; {LAYOUT} COMMIT;")
    else:
        _look_for_damage(path, connection)
        if "wait" not in [column[1] for column in connection.execute("PRAGMA table_info(delayed)")]:
            connection.execute("ALTER TABLE delayed ADD COLUMN wait INTEGER")
    for setting in (
        "journal_mode = WAL",
        "synchronous = FULL",
        "fullfsync = ON",  # macOS: an fsync that reaches the disk; elsewhere no difference
        "checkpoint_fullfsync = ON",
        "secure_delete = ON",  # overwrite what is deleted: it may have been a card number
        "cache_size = -16384",
        "wal_autocheckpoint = 2000",
        "journal_size_limit = 8388608",
    ):
        connection.execute(f"PRAGMA {setting}")
    # A read-only file opens without an error; writing fails.
    connection.executescript(f"BEGIN IMMEDIATE; {PAUSED} PRAGMA user_version = {FORMAT}; COMMIT;")


def _is_empty(path: Path, connection: sqlite3.Connection) -> bool:
    """Whether there is nothing in the file yet. Raises BrokerSetupError if there is something
    that isn't ours."""
    application = _value(connection, "PRAGMA application_id")
    version = _value(connection, "PRAGMA user_version")
    if application == 0 and version == 0 and _value(connection, "SELECT count(*) FROM sqlite_schema") == 0:
        return True
    if application != APPLICATION_ID:
        raise BrokerSetupError(f"{path}: this database belongs to another program; name another file as the broker")
    if version > FORMAT:
        raise BrokerSetupError(
            f"{path}: written by a newer runner (format {version}, this one knows up to {FORMAT}); "
            "update the runner, or name another file as the broker"
        )
    return False


def _look_for_damage(path: Path, connection: sqlite3.Connection) -> None:
    """Check the whole file, or as much as there is time for."""
    deadline = time.monotonic() + CHECK_TIME
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    try:
        verdict = _value(connection, "PRAGMA quick_check(1)")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
            raise
        verdict = "ok"
    finally:
        connection.set_progress_handler(None, 0)
    if verdict != "ok":
        raise _damaged(path, str(verdict).splitlines()[-1])


def _value(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()[0]


# -- When it fails ------------------------------------------------------------------------


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn what SQLite and the system raise into a BrokerError with a sentence."""
    try:
        yield
    except sqlite3.Error as error:
        raise explain(path, error) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _full(path) from error
        raise BrokerSetupError(
            f"{error.filename or path}: {error.strerror}; the broker's file can't be used"
        ) from error


def explain(path: Path, error: sqlite3.Error) -> BrokerError:
    """What `error` means for the operator, and what to do."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and _no_room(path)):
        return _full(path)
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return BrokerUnavailableError(f"{path}: another program keeps it locked")
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return BrokerSetupError(f"{path}: can't be written; make the file and its folder writable for this user")
    if code == sqlite3.SQLITE_NOTADB:
        return BrokerSetupError(
            f"{path}: not a SQLite database, or damaged; move it away or name another file as the broker"
        )
    if code == sqlite3.SQLITE_CORRUPT:
        return _damaged(path, str(error))
    return BrokerUnavailableError(f"{path}: {error}")


def _no_room(path: Path) -> bool:
    """Whether the disk is so full that SQLite can't even map its shared memory: 1 MiB or less."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < 2**20


class DiskFullError(BrokerUnavailableError):
    """There is no room for this write; there may be for a smaller one."""


def _full(path: Path) -> DiskFullError:
    return DiskFullError(f"{path}: the disk is full; make room on it")


def _damaged(path: Path, detail: str) -> BrokerSetupError:
    return BrokerSetupError(
        f"{path}: damaged ({detail}); stop every runner, move the file away, and rescue what is in it "
        f"with: sqlite3 {path.name} .recover"
    )


# -- Kept small ---------------------------------------------------------------------------

SPARE_PAGES = 1024
"""Free pages that the file may keep for reuse: 4 MiB."""


def shrink(connection: sqlite3.Connection, pages: int) -> bool:
    """Give up to `pages` free pages back to the file system. Returns whether there were any."""
    if not worth_shrinking(connection):
        return False
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")
    if not worth_shrinking(connection):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()  # only now does the file get shorter
    return True


def empty_log(path: Path, connection: sqlite3.Connection) -> None:
    """Empty the write-ahead log, which keeps deleted content until it is overwritten.

    Doesn't wait: a reader (a backup, say) would hold up every writer.
    """
    try:
        if not path.with_name(f"{path.name}-wal").stat().st_size:
            return
    except FileNotFoundError:
        return
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT * 1000:.0f}")


def worth_shrinking(connection: sqlite3.Connection) -> bool:
    free = _value(connection, "PRAGMA freelist_count")
    return bool(free > SPARE_PAGES and free * 2 > _value(connection, "PRAGMA page_count"))
