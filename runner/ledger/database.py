"""Connections and transactions, and all that differs between SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sqlalchemy import Connection, Insert, QueuePool, Table, create_engine
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from runner.errors import LedgerAwayError, LedgerError
from runner.ledger import tables
from runner.ledger.url import path_of
from runner.privacy.redaction import hide_password

CONNECT_TIMEOUT = 5
"""Seconds."""
BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another process's transaction."""
_UPGRADE_LOCK = 0x61636B6C617374
"""Our advisory lock in PostgreSQL: "acklast"."""

Row = dict[str, Any]


class Database:
    """The database at a URL as `url.parse` returns it. Any thread may use it.

    The methods raise LedgerAwayError if it can't be reached or is too busy, and LedgerError for
    what it refuses.
    """

    def __init__(self, url: str) -> None:
        path = path_of(url)
        self.is_sqlite = path is not None
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._engine = create_engine(
                "sqlite://",
                creator=partial(_connect_sqlite, str(path)),
                isolation_level="AUTOCOMMIT",
                poolclass=QueuePool,  # its default for a URL without a path keeps one connection a thread
            )
        else:
            self._engine = create_engine(
                "postgresql+psycopg://", creator=partial(_connect_postgresql, url), isolation_level="AUTOCOMMIT"
            )
        self._insert = sqlite.insert if self.is_sqlite else postgresql.insert

    def upgrade(self) -> None:
        """Make and upgrade the tables, one process at a time. Raises LedgerSetupError too."""
        with self.transaction() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            tables.upgrade(connection)

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """For reading; each statement sees what is committed."""
        with _errors_told(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """All or nothing; on SQLite, alone. A connection that breaks in it is dropped."""
        with _errors_told(), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                yield connection
                connection.exec_driver_sql("COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    def insert(self, table: Table) -> Any:
        """An INSERT that may say what happens `on_conflict`."""
        return self._insert(table)

    def add_missing(self, table: Table) -> Insert:
        """An INSERT that leaves alone what is there."""
        return self._insert(table).on_conflict_do_nothing()

    def close(self) -> None:
        self._engine.dispose()


def _roll_back(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()


@contextmanager
def _errors_told() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = _reason(error.orig)
        # Deadlocks and time-outs are operational, too: what was rolled back is tried again.
        away = isinstance(error.orig, sqlite3.OperationalError) or _is_operational(error)
        raise (LedgerAwayError if away else LedgerError)(reason) from error
    except (sqlite3.OperationalError, OSError) as error:
        raise LedgerAwayError(_reason(error)) from error
    except SQLAlchemyError as error:
        raise LedgerError(_reason(error)) from error


def _is_operational(error: DBAPIError) -> bool:
    names = {kind.__name__ for kind in type(error.orig).__mro__}
    return error.connection_invalidated or bool(names & {"OperationalError", "InterfaceError"})


def _reason(error: BaseException | None) -> str:
    """One line, without passwords and without the values of a row (PostgreSQL's DETAIL)."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    return hide_password(lines[0]) if lines else type(error).__name__


def _connect_sqlite(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False)
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "journal_size_limit=67108864"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _connect_postgresql(url: str) -> Any:
    import psycopg

    return psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT, application_name="runner ledger")
