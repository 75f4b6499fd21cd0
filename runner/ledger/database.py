"""Connections and transactions, and all that differs between SQLite and PostgreSQL."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Dialect, Insert, QueuePool, RowMapping, Table, bindparam, create_engine, select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from runner.errors import LedgerAwayError, LedgerDeadlockError, LedgerError, LedgerSetupError
from runner.ledger import tables
from runner.ledger.patience import Patience
from runner.ledger.url import path_of
from runner.locks import WriteLock
from runner.paths import identity
from runner.privacy.files import make_file, make_folder
from runner.privacy.redaction import hide_password

CONNECT_TIMEOUT = 5
"""Seconds."""
READ_TIMEOUT = 5.0
"""Seconds that whoever waits has for what he asks of a server, which may have been stopped."""
WRITE_TIMEOUT = 20.0
"""Seconds that a server has for what is written together: then it is away, as one that hangs up is."""
KEPT_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 25_000}
"""A machine that is gone without a word is noticed within half a minute, and not after a quarter of an hour."""
BUSY_TIMEOUT = 10.0
"""Seconds that SQLite waits for another process's transaction."""
CHECKPOINT = 10_000
"""Pages (of 4 KiB) of the write-ahead log after which SQLite moves them into the file, while whoever commits
waits. Most pages change many times until then, so fewer of these cost less in all."""
STATEMENTS = 256
"""Prepared statements that a connection to SQLite keeps: an `Upsert` of each size up to 32 rows, and the large
ones, which take hundreds of kilobytes. All of them take 12 MiB."""
MOST_IDLE = 4
"""Connections that are kept ready: as many threads use them all the time."""
_UPGRADE_LOCK = 0x61636B6C617374
"""Our advisory lock in PostgreSQL: "acklast"."""

_DEADLOCKS = ("40001", "40P01")
"""SQLSTATEs: PostgreSQL has rolled back one of two transactions, so that the other may go on."""
_LIMITS = "54"
"""The class of a SQLSTATE: a value is too large for PostgreSQL."""

_REFUSED = re.compile(
    r"password authentication failed|no password supplied|(role|database) \".*\" does not exist|no pg_hba\.conf entry"
    r"|is not permitted to log in|permission denied for \w+"
)
"""What PostgreSQL says, in English, to who may not come in, or do nothing there; libpq gives no SQLSTATE with that."""
_WHAT_TO_DO = "correct the user, the password or the database of 'ledger', or give this user its rights"

Row = dict[str, Any]


class Database:
    """The database at a URL as `url.parse` returns it. Any thread may use it.

    The methods raise LedgerAwayError if it can't be reached or is too busy, LedgerSetupError if a
    person has to mend it, and LedgerError for a value that it refuses.
    """

    def __init__(self, url: str) -> None:
        path = self._path = path_of(url)
        self._identity: tuple[int, int] | None = None
        """Of SQLite's file, once it was opened."""
        self.is_sqlite = path is not None
        self._writing = None if path is None else WriteLock(path.with_name(f"{path.name}.run") / "write.turn")
        self._place = f"{path}: " if path is not None else ""
        if path is not None:
            from sqlalchemy.dialects import sqlite  # each takes long to import, and only one is needed

            self._insert: Callable[[Table], Any] = sqlite.insert
            self._engine = create_engine(
                "sqlite://",
                creator=partial(_connect_sqlite, path),
                isolation_level="AUTOCOMMIT",
                poolclass=QueuePool,  # its default for a URL without a path keeps one connection a thread
            )
        else:
            from sqlalchemy.dialects import postgresql

            self._insert = postgresql.insert
            self._engine = create_engine(
                "postgresql+psycopg://", creator=partial(_connect_postgresql, url), isolation_level="AUTOCOMMIT"
            )
        self._driver_error: type[Exception] = self._engine.dialect.loaded_dbapi.Error
        self._patience = Patience()
        self._closed = False
        self._idle: list[Connection] = []
        """To be used again. SQLAlchemy's pool has the connections below them, but to begin and end with each costs
        as much as a small transaction."""

    def upgrade(self) -> None:
        """Make and upgrade the tables, one process at a time."""
        with self.transaction() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
            tables.upgrade(connection)

    @contextmanager
    def connection(self, *, prompt: bool = True) -> Iterator[Connection]:
        """For reading; each statement sees what is committed. `prompt`: a server on which that takes longer
        than READ_TIMEOUT is away."""
        with self._errors_told(), self._connected(READ_TIMEOUT if prompt else None) as connection:
            yield connection

    @contextmanager
    def transaction(self, wait: float | None = BUSY_TIMEOUT, *, prompt: bool = False) -> Iterator[Connection]:
        """All or nothing; on SQLite, alone, after at most `wait` seconds (None: however long it takes) in which
        others write; who waits so long gives up a server after WRITE_TIMEOUT. A connection that breaks in it is
        dropped. `prompt` is as for `connection`."""
        seconds = READ_TIMEOUT if prompt else WRITE_TIMEOUT if wait is None else None
        with self._errors_told(), self._turn(wait), self._connected(seconds) as connection:
            run(connection, "BEGIN IMMEDIATE" if self.is_sqlite else "BEGIN")
            try:
                yield connection
                run(connection, "COMMIT")
            except BaseException:
                _roll_back(connection)
                raise

    @contextmanager
    def _errors_told(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise _kind_of(error.orig)(self._place + _reason(error.orig)) from error
        except self._driver_error as error:
            raise _kind_of(error)(self._place + _reason(error)) from error
        except (OSError, PoolTimeoutError) as error:
            raise LedgerAwayError(self._place + _reason(error)) from error
        except SQLAlchemyError as error:
            raise LedgerError(self._place + _reason(error)) from error

    @contextmanager
    def _turn(self, wait: float | None) -> Iterator[None]:
        """One process after the other on SQLite, which itself knows no order."""
        if self._writing is None:
            yield
            return
        if not self._writing.acquire(wait):
            raise LedgerAwayError(f"{self._place}other processes have been writing for {wait:g} s")
        try:
            yield
        finally:
            self._writing.release()

    @contextmanager
    def _connected(self, seconds: float | None) -> Iterator[Connection]:
        """For so many seconds, if that is a server (None: however long it takes)."""
        connection = self._connect()
        try:
            with ExitStack() as bounded:
                driver: Any = connection.connection.dbapi_connection
                if seconds is not None and not self.is_sqlite and not driver.closed:
                    bounded.enter_context(self._patience.bounded(driver.fileno(), seconds))
                yield connection
        except BaseException:
            connection.close()
            self._close_idle()  # a server that has hung up has done so on them, too
            raise
        self._idle.append(connection)
        if self._closed or len(self._idle) > MOST_IDLE:
            self._close_idle()

    def _connect(self) -> Connection:
        """Not to a file of the same name that knows nothing, nor to one that nobody finds again."""
        if self._identity is not None and self._path is not None and identity(self._path) != self._identity:
            what_to_do = "stop every runner that uses it, and start again"
            raise LedgerSetupError(f"{self._path}: was removed or replaced while it was in use; {what_to_do}")
        with suppress(IndexError):
            return self._idle.pop()
        connection = self._engine.connect()
        if self._identity is None and self._path is not None:
            self._identity = identity(self._path)
        return connection

    def _close_idle(self) -> None:
        with suppress(IndexError):
            while True:
                self._idle.pop().close()

    def probe(self, connection: Connection) -> None:
        """Write something: a standby, a full disk, and one whose user may only read refuse it."""
        new = self._insert(tables.SETTING).values(name="probe", value=str(time.time()))
        known = new.on_conflict_do_update(index_elements=["name"], set_={"value": new.excluded.value})
        connection.execute(known)

    def insert(self, table: Table) -> Any:
        """An INSERT that may say what happens `on_conflict`."""
        return self._insert(table)

    def add_missing(self, table: Table) -> Insert:
        """An INSERT that leaves alone what is there."""
        statement: Insert = self._insert(table).on_conflict_do_nothing()
        return statement

    @property
    def dialect(self) -> Dialect:
        return self._engine.dialect

    def close(self) -> None:
        self._closed = True
        self._close_idle()
        self._engine.dispose()
        if self._writing is not None:
            self._writing.let_go()


def run(connection: Connection, text: str, values: Any = ()) -> int:
    """Run a statement that is written as the driver wants it; returns how many rows it has changed. For what is run
    all the time: SQLAlchemy's own way to the driver costs as much as a small statement does."""
    driver: Any = connection.connection.dbapi_connection
    return int(driver.execute(text, values).rowcount)


def locked(connection: Connection, table: Table, keys: Iterable[tuple[Any, Any]]) -> Iterator[RowMapping]:
    """The rows of `table` with these values of its primary key, which has two columns; in one order, and until the
    transaction ends nobody else changes them (SQLite has locked everything already). Pairs are not looked for
    as pairs: SQLite would read the whole table."""
    first, second = table.primary_key
    query = select(table).where(first == bindparam("one"), second.in_(bindparam("others", expanding=True)))
    for one, pairs in groupby(sorted(keys), key=itemgetter(0)):
        values = {"one": one, "others": [other for _, other in pairs]}
        yield from connection.execute(query.order_by(second).with_for_update(), values).mappings()


def _roll_back(connection: Connection) -> None:
    try:
        connection.exec_driver_sql("ROLLBACK")
    except SQLAlchemyError:
        connection.invalidate()


def _kind_of(error: BaseException | None) -> type[LedgerError]:
    """Only what a value is to blame for is refused: whatever else is wrong is waited for."""
    state: str | None = getattr(error, "sqlstate", None)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"DataError", "IntegrityError"} or (state or "").startswith(_LIMITS):
        return LedgerError
    if isinstance(error, sqlite3.InterfaceError):
        return LedgerError
    if "ProgrammingError" in kinds:
        return LedgerSetupError if state else LedgerError
    if type(error) is sqlite3.DatabaseError:
        return LedgerSetupError
    return LedgerDeadlockError if state in _DEADLOCKS else LedgerAwayError


def _reason(error: BaseException | None) -> str:
    """One line, without passwords and without the values of a row (PostgreSQL's DETAIL)."""
    lines = [line for line in str(error).strip().splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    hint = f" ({_WHAT_TO_DO})" if _REFUSED.search(lines[0]) else ""
    return hide_password(lines[0]) + hint


def _connect_sqlite(path: Path) -> sqlite3.Connection:
    make_folder(path.parent)
    with suppress(FileExistsError):  # to open and close that would drop the locks that SQLite has on it
        os.close(make_file(path, os.O_EXCL))
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, check_same_thread=False, cached_statements=STATEMENTS
    )
    for pragma in (
        *("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"),
        *(f"wal_autocheckpoint={CHECKPOINT}", "journal_size_limit=67108864"),
    ):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _connect_postgresql(url: str) -> Any:
    return postgresql_session(url, "runner ledger")


def postgresql_session(url: str, name: str, **settings: str) -> Any:
    """A connection of psycopg's to the server at `url`, where it is shown as `name`; `settings` are libpq's."""
    import psycopg

    known: dict[str, Any] = {"connect_timeout": CONNECT_TIMEOUT, **KEPT_ALIVE, **settings}
    return psycopg.connect(url, autocommit=True, application_name=name, **known)
