"""One thread that writes whatever has come together in one transaction.

A commit costs as much for one row as for a thousand. So work is handed over in jobs, and each
is told when it is durable. While the database is away, jobs wait, unless they are impatient.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import ParamSpec, Protocol, Self

from sqlalchemy import Connection

from runner.errors import LedgerAwayError, LedgerDeadlockError, LedgerError, LedgerSetupError
from runner.ledger.database import Database

log = logging.getLogger("runner.ledger")

P = ParamSpec("P")

RETRY = 0.5
"""Seconds between attempts while the database is away."""
STALLED = 5.0
"""Seconds after which a transaction that has not ended is no longer waited for by those that needn't."""
NOT_OPEN = "it is not open yet"
GATHERING = 0.001
"""Seconds for which a transaction waits for more jobs where many come: it costs each of them less, and whoever
hands over the next ones computes meanwhile. (As PostgreSQL's `commit_delay` and `commit_siblings` do.)"""
UNHURRIED = 0.005
"""Seconds for which a job that nobody waits for waits for one that somebody does, to be written with that."""
MOST_JOBS = 2_000
"""In one transaction: the first of them waits for the last."""


class Job(Protocol):
    """Something to read or write. All methods are called on the writer's thread."""

    patient: bool
    """Whether it waits while the database is away."""
    after_others: bool
    """Whether it reads what other kinds write, even in the same transaction: a delivery may come
    again while what became of it is still to be recorded."""

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        """Carry out all of `jobs` in one transaction, which may be tried again."""

    def done(self, error: LedgerError | None) -> None:
        """It is durable; or it was refused, or is impatient and the database is away. Returns at once."""


class Writer:
    """`away(reason, first)` is called at each attempt that fails, `back()` when one succeeds again, and
    `committed(jobs, seconds)` after each transaction, on the writer's thread."""

    def __init__(
        self,
        database: Database,
        *,
        away: Callable[[str, bool], None],
        back: Callable[[], None],
        committed: Callable[[int, float], None] = lambda _jobs, _seconds: None,
    ) -> None:
        self._database = database
        self._committed = committed
        self._away = away
        self._back = back
        self._jobs: deque[Job] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        """Set where somebody waits for one of the jobs."""
        self._closing = threading.Event()
        self._deadline = 0.0
        self.is_away = NOT_OPEN
        """Why the database can't be used now; empty if it can."""
        self._began: float | None = None
        """When the transaction that is at work began (monotonic)."""
        self._gathers = False
        """Whether many hand over jobs: several have come together lately."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)

    @property
    def stalled(self) -> str:
        """Why the database seems not to answer: a server that was stopped breaks no connection."""
        began = self._began
        silent = 0.0 if began is None else time.monotonic() - began
        return f"it has not answered for {silent:.0f} s" if silent > STALLED else ""

    def start(self) -> None:
        self._thread.start()

    def submit(self, job: Job, *, hurry: bool = True) -> None:
        """Carry it out soon; without `hurry`, with what comes next. From any thread."""
        self._jobs.append(job)
        for event in (self._hurry, self._wake) if hurry else (self._wake,):
            if not event.is_set():  # to set it again would take a lock
                event.set()

    def close(self, timeout: float) -> None:
        """Carry out what has been submitted, for up to `timeout` seconds, and end."""
        self._deadline = time.monotonic() + timeout
        self._closing.set()
        self._hurry.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout)

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            while self._jobs:
                self._hurry.wait(UNHURRIED)
                self._hurry.clear()  # before the jobs are taken: who comes later is seen in the next round
                if self._gathers:
                    self._closing.wait(GATHERING)
                jobs = self._submitted()
                self._gathers = len(jobs) > 1
                self._write(jobs)
            if self._closing.is_set():
                return

    def _submitted(self) -> list[Job]:
        return [self._jobs.popleft() for _ in range(min(len(self._jobs), MOST_JOBS))]

    def _write(self, jobs: list[Job]) -> None:
        """Carry out `jobs`, however long the database is away; then even without any, until it is back."""
        left: list[Job] | None = jobs
        while left is not None:
            try:
                self._commit(left)
            except LedgerDeadlockError:
                continue
            except (LedgerAwayError, LedgerSetupError) as error:
                left = self._put_off(left, error)
            except Exception as error:  # noqa: BLE001 - one of them is to blame, and must not hold up the others
                self._write_singly(left, error)
                return
            else:
                self._tell_back()
                for job in left:
                    _tell(job.done, None)
                return

    def _commit(self, jobs: Sequence[Job]) -> None:
        kinds: dict[type[Job], list[Job]] = {}
        for job in jobs:
            kinds.setdefault(type(job), []).append(job)
        began = self._began = time.monotonic()
        try:
            with self._database.transaction(wait=None) as connection:
                if not jobs:
                    self._database.probe(connection)
                for kind in sorted(kinds, key=lambda kind: kind.after_others):
                    kind.run(kinds[kind], connection, self._database)
        finally:
            self._began = None
        self._committed(len(jobs), time.monotonic() - began)

    def _put_off(self, jobs: Sequence[Job], error: LedgerError) -> list[Job] | None:
        """Wait a little; what is left then is tried again. None: it is over."""
        first, self.is_away = not self.is_away, str(error)
        _tell(self._away, str(error), first)
        for job in (job for job in jobs if not job.patient):
            _tell(job.done, error)
        patient = [job for job in jobs if job.patient]
        if not self._closing.wait(RETRY):
            return [*patient, *self._submitted()]
        left = self._deadline - time.monotonic()
        if left <= 0 or not patient:
            return None
        time.sleep(min(RETRY, left))
        return patient

    def _write_singly(self, jobs: Sequence[Job], error: Exception) -> None:
        if len(jobs) > 1:
            for job in jobs:
                self._write([job])
            return
        known = error if isinstance(error, LedgerError) else LedgerError(f"{type(error).__name__}: {error}")
        if known is not error:
            log.error("a record could not be written", exc_info=error)
        _tell(jobs[0].done, known)

    def _tell_back(self) -> None:
        if self.is_away:
            self.is_away = ""
            _tell(self._back)


def _tell(who: Callable[P, None], *args: P.args, **kwargs: P.kwargs) -> None:
    """A failure of theirs must not end the writing."""
    try:
        who(*args, **kwargs)
    except Exception:
        log.exception("what waited for a record has failed")
