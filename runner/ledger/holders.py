"""Which processes are alive that hold messages of stages with `once`.

A process shows that it is alive by a lock: on a file beside a SQLite ledger, or in PostgreSQL.
Whoever keeps it, the kernel or the server, drops it when the process dies, however it dies.
There are no leases, so a process that is slow, stuck or stopped keeps what it holds.
Left out: what it holds, which stands in its hops (see `once`).
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection

from runner.ledger.database import postgresql_session
from runner.ledger.url import path_of
from runner.locks import forget, keep_from_children, try_lock
from runner.privacy.files import make_file, make_folder

if TYPE_CHECKING:
    from psycopg import Connection as Session

RECONNECTING = 5.0
"""Seconds after PostgreSQL has lost locks, in which every holder gets the time to lock again."""
LOOK_EVERY = 1.0
"""Seconds between checks whether PostgreSQL still keeps our lock."""


class Holders(Protocol):
    """The holders of one ledger. Used by one thread."""

    token: str
    """Names this process."""

    def appear(self) -> None:
        """Show that this process is alive, and from now on. Raises OSError."""

    def alive(self, token: str, connection: Connection) -> bool:
        """Whether the holder `token` lives; an empty one never does. Raises OSError."""

    def vanish(self) -> None:
        """This process holds nothing any more."""


def holders_of(url: str) -> Holders:
    """Those of the ledger at `url`; none of them is asked yet."""
    path = path_of(url)
    return LockedFiles(path.with_name(f"{path.name}.run")) if path is not None else AdvisoryLocks(url)


class LockedFiles:
    """For SQLite: `<token>.lock` in `folder` for each holder, locked as long as it lives."""

    def __init__(self, folder: Path) -> None:
        self.token = secrets.token_hex(8)
        self._folder = folder
        self._lock = -1
        self._dead: set[str] = set()

    def appear(self) -> None:
        if self._lock >= 0:
            return
        make_folder(self._folder)
        for file in self._folder.glob("*.lock"):
            self.alive(file.stem)  # removes what the dead have left
        path = self._folder / f"{self.token}.lock"
        while self._lock < 0:
            lock = make_file(path)
            # Another process that was removing leftovers may have been quicker.
            if try_lock(lock) and os.fstat(lock).st_nlink:
                self._lock = lock
                keep_from_children(self)
            else:
                os.close(lock)

    def alive(self, token: str, connection: Connection | None = None) -> bool:  # noqa: ARG002 - PostgreSQL's
        if token == self.token:
            return self._lock >= 0
        if not token or token in self._dead:
            return False
        path = self._folder / f"{token}.lock"
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            self._dead.add(token)
            return False
        try:
            if not try_lock(lock):
                return True
            path.unlink(missing_ok=True)
        finally:
            os.close(lock)
        self._dead.add(token)
        return False

    def vanish(self) -> None:
        if self._lock >= 0:
            (self._folder / f"{self.token}.lock").unlink(missing_ok=True)
            self.let_go()
            with contextlib.suppress(OSError):
                self._folder.rmdir()  # unless others are in it

    def let_go(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
        self._lock = -1
        forget(self)


class AdvisoryLocks:
    """For PostgreSQL: an advisory lock for each holder, of a session that does nothing else."""

    def __init__(self, url: str) -> None:
        self._number = secrets.randbits(62)
        self.token = str(self._number)
        self._url = url
        self._session: Session[Any] | None = None
        self._look_at = 0.0
        self._certain_from = 0.0
        """When those have locked again who live, too (monotonic)."""

    def appear(self) -> None:
        import psycopg

        now = time.monotonic()
        if self._session is not None and now < self._look_at:
            return
        self._look_at = now + LOOK_EVERY
        try:
            if self._session is not None:
                with contextlib.suppress(psycopg.Error):
                    self._session.execute("SELECT 1")
                    return
                self._session.close()
                self._session, self._certain_from = None, now + RECONNECTING
            self._session = self._locked_session()
        except psycopg.Error as error:
            raise OSError(str(error).strip()) from error

    def _locked_session(self) -> Session[Any]:
        # The server drops the lock of a machine that doesn't answer for half a minute.
        drops = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=4"
        session: Session[Any] = postgresql_session(self._url, "runner holder", options=drops)
        session.execute("SELECT pg_advisory_lock(%s)", [self._number])
        return session

    def alive(self, token: str, connection: Connection) -> bool:
        if token == self.token:
            return True
        if not token.isdecimal():
            return False
        if time.monotonic() < self._certain_from:
            return True
        return bool(connection.exec_driver_sql(_IS_LOCKED, (RECONNECTING, int(token))).scalar_one())

    def vanish(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None


_IS_LOCKED = """
SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time()) < %s OR EXISTS (
  SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32 | objid::bigint) = %s)
"""
