"""The ledger of one process: one thread that writes, and connections to read with."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Self

from sqlalchemy import Connection, select

from runner.errors import LedgerAwayError, LedgerError
from runner.events import UNWATCHED
from runner.ledger import late
from runner.ledger.apikeys import ApiKeys, KeyRing
from runner.ledger.database import Database
from runner.ledger.holders import holders_of
from runner.ledger.hops import HopKey, HopStatements, Records
from runner.ledger.journey import Journey, find_recorded, read_ended, read_journey
from runner.ledger.late import Outcome, Telling, Verdicts
from runner.ledger.once import Judged, JudgeJob, Rule
from runner.ledger.pauses import Pauses
from runner.ledger.purge import AT_ONCE, EVERY, Step, purge_step
from runner.ledger.rates import Spend, Told
from runner.ledger.renaming import names_of_today
from runner.ledger.requests import (
    Answered,
    Claim,
    Claimed,
    Close,
    Requested,
    RequestStatements,
    count_expiring,
    read_answered,
)
from runner.ledger.sealed import count_sealed_with
from runner.ledger.tables import SETTING, VERSION, version_of
from runner.ledger.terms import TOP, find_terms, purge_terms
from runner.ledger.writer import NOT_OPEN, Writer
from runner.pipeline import RateLimit
from runner.wording import facts

log = logging.getLogger("runner.ledger")

CLOSE_TIMEOUT = 5.0
"""Seconds for what is still to be written."""
OPEN_RETRY = 0.5
"""Seconds between attempts to open a ledger that is away."""
_SECRET = select(SETTING.c.value).where(SETTING.c.name == "secret")
Then = Callable[[LedgerError | None], None]


class Ledger:
    """The ledger at `url`; it forgets what hasn't changed for `keep` seconds (None: nothing).

    Open it before anything else. What is written is told to a callback, on the ledger's thread,
    once it is durable; what is read is returned.
    """

    def __init__(self, url: str, keep: float | None = None) -> None:
        self._database = Database(url)
        self._statements = HopStatements(self._database)
        self._requests = RequestStatements(self._database, self._statements)
        self._keep = keep
        self._holders = holders_of(url)
        self._watchers: list[Callable[[str], None]] = []
        self._writer = Writer(self._database, away=self._tell_away, back=self._tell_back, committed=self._tell_recorded)
        self._over = threading.Event()
        self._purger = threading.Thread(target=self._purge, name="purge", daemon=True)
        self._readers: list[threading.Thread] = []
        self.api_keys = ApiKeys(self._database)
        self.pauses = Pauses(self._database)
        self.events = UNWATCHED
        """Where it reports that it is away, and back."""
        self.secret = b""
        """A random key of this ledger, the same for all that use it."""
        self.renamed: Mapping[str, str] = {}
        """The names of today of the queues that were renamed, by each of their former names."""

    @property
    def holder(self) -> str:
        """Names this process in what it has begun."""
        return self._holders.token

    @property
    def away(self) -> str:
        """Why the ledger can't be used now; empty if it can."""
        return self._writer.is_away or self._writer.stalled

    def open(self, timeout: float | None = None) -> Self:
        """Make or upgrade the tables, and begin to write. Waits for a database that is away for up
        to `timeout` seconds (None: as long as it takes); then raises LedgerAwayError. Raises
        LedgerSetupError if waiting doesn't help."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            try:
                self._prepare()
                break
            except LedgerAwayError as error:
                if deadline is not None and time.monotonic() >= deadline:
                    raise
                if self._writer.is_away != str(error):
                    self.events.ledger_away(str(error))
                self._writer.is_away = str(error)
                time.sleep(OPEN_RETRY)
        if self._writer.is_away != NOT_OPEN:
            self.events.ledger_back()
        self._writer.is_away = ""
        self._writer.start()
        if self._keep is not None:
            self._purger.start()
        return self

    def prepare_reading(self) -> None:
        """Know the secret: enough for whoever only reads, who needs no right to write where a run was before. Raises
        LedgerError."""
        with self._database.connection() as connection:
            is_made = version_of(connection) == str(VERSION)
            found = connection.execute(_SECRET).scalar_one_or_none() if is_made else None
        if found is None:
            self._prepare()
        else:
            self.secret = bytes.fromhex(found)

    def _prepare(self) -> None:
        """Make or upgrade the tables, and know the secret and the queues' names. Raises LedgerError."""
        self._database.upgrade()
        self.secret = self._read_secret()
        with self._database.connection() as connection:
            self.renamed = names_of_today(connection)

    def close(self, timeout: float = CLOSE_TIMEOUT, *, busy: bool = False) -> None:
        """Write what is still to be written, for up to `timeout` seconds. `busy`: a handler is still at
        work, and what it has in hand belongs to this process until it ends."""
        self._over.set()
        self._writer.close(timeout)
        for thread in (self._purger, *self._readers):
            if thread.is_alive():
                thread.join(timeout)
        if not busy:
            self._holders.vanish()
        self._database.close()

    def keep_reading(self, read: Callable[[], None], name: str) -> None:
        """Call `read` on a thread that `close` waits for."""
        thread = threading.Thread(target=read, name=name, daemon=True)
        self._readers = [*(other for other in self._readers if other.is_alive()), thread]
        thread.start()

    def closes_within(self, seconds: float) -> bool:
        """Sleep for so long, unless it is closed before."""
        return self._over.wait(seconds)

    def watch(self, watcher: Callable[[str], None]) -> None:
        """From now on `watcher(reason)` is called, on the ledger's thread, whenever it is away, again
        and again, and with an empty reason when it is back."""
        self._watchers.append(watcher)

    # -- writing ------------------------------------------------------------------------

    def record(self, records: Records, then: Then) -> None:
        """Record hops and facts, however long the ledger is away."""
        self._writer.submit(_Recording(records, self._statements, then))

    def accept(self, records: Records, then: Then) -> None:
        """The same, unless the ledger is away: then that is told at once."""
        self._writer.submit(_Recording(records, self._statements, then, patient=False))

    def judge(self, keys: Sequence[HopKey], rule: Rule, judged: Judged) -> Callable[[], None]:
        """What is known of these copies (at least one), all on one queue; what may be handled by
        `rule` counts as begun from now on. Call the returned function when nobody waits any more."""
        job = JudgeJob(keys, rule, time.time(), self._statements, self._holders, judged)
        self._writer.submit(job)
        return job.give_up

    def claim(
        self,
        requested: Requested,
        records: Callable[[str], Records],
        *,
        busy: float,
        keep: float,
        then: Callable[[Claimed | None, LedgerError | None], None],
    ) -> None:
        """What to do with a request that has a key: `busy` and `keep` are the seconds for which it is
        in flight, and remembered. If it is to be published, `records(message id)` is recorded."""
        self._writer.submit(
            Claim(requested, records, at=time.time(), busy=busy, keep=keep, statements=self._requests, then=then)
        )

    def answered(
        self, caller: str, key: str, message: str, answer: bytes | None, then: Then, records: Records | None = None
    ) -> None:
        """The request that published `message` was answered 202 with `answer`, or (None) otherwise;
        `records` is recorded with that. Nobody waits for it, but who comes with the key."""
        closed = Close(caller, key, message, answer, then, records or Records(), self._requests)
        self._writer.submit(closed, hurry=False)

    def tell(
        self,
        teller: str,
        outcomes: Sequence[Outcome],
        records: Callable[[Verdicts], Records],
        then: Callable[[Verdicts | None, LedgerError | None], None],
        *,
        is_late: bool = False,
        is_provisional: bool = False,
    ) -> None:
        """Record a result that tells `outcomes`, and learn which of them others have told: see `late.Telling`."""
        self._writer.submit(
            Telling(
                teller,
                outcomes,
                is_late=is_late,
                is_provisional=is_provisional,
                at=time.time(),
                statements=self._requests,
                records=records,
                then=then,
            )
        )

    def spend(self, route: str, caller: str, limit: RateLimit, told: Told) -> None:
        """Whether one more request of `caller` is within `limit`, counted over all processes."""
        self._writer.submit(Spend(route, caller, limit, told))

    # -- reading ------------------------------------------------------------------------

    def journey(self, id: str) -> Journey | None:
        """The journey of a message; None if nothing is known of it. Raises LedgerError."""
        with self._reading() as connection:
            return read_journey(connection, id)

    def answer_to(self, requested: Requested) -> Answered | None:
        """What this very request was answered before; None if it was not. Raises LedgerError."""
        with self._reading() as connection:
            return read_answered(connection, requested, time.time())

    def late_answer_came(self, message: str) -> bool:
        """Whether a late answer to this message has come. Raises LedgerError."""
        with self._reading() as connection:
            return late.has_come(connection, message)

    def ended(self, ids: Sequence[str]) -> list[Journey]:
        """The journeys of those messages that have reached their end. Raises LedgerError."""
        with self._reading() as connection:
            return read_ended(connection, ids)

    def find(
        self, name: str, value: Any, *, since: float = 0.0, until: float | None = None, most: int = 100
    ) -> list[tuple[str, float]]:
        """See `journey.find_recorded`. Raises LedgerError."""
        with self._reading() as connection:
            return find_recorded(connection, name, value, since, until, most)

    def sealed_with(self, key: str) -> int:
        """How many results are sealed with the key of this id. Raises LedgerError."""
        with self._database.connection(prompt=False) as connection:
            return count_sealed_with(connection, key, is_sqlite=self._database.is_sqlite)

    def requests_expiring(self, route: str, after: float, until: float) -> int:
        """See `requests.count_expiring`. Raises LedgerError."""
        with self._database.connection(prompt=False) as connection:
            return count_expiring(connection, route, after, until)

    def find_hashed(self, hashes: Sequence[bytes], *, since: float = 0.0, most: int = 100) -> list[tuple[str, float]]:
        """See `terms.find_terms`. Raises LedgerError."""
        with self._reading() as connection:
            return find_terms(connection, hashes, since, most)

    def key_ring(self) -> KeyRing:
        """The API keys, followed until this is closed. It may be opened later."""
        ring = KeyRing(self.api_keys)
        self._readers.append(ring.start(self._over.wait))
        return ring

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        """For who can't wait. Raises LedgerError."""
        if (silent := self._writer.stalled) and not self._database.is_sqlite:  # a file can be read meanwhile
            raise LedgerAwayError(silent)
        try:
            with self._database.connection() as connection:
                yield connection
        except LedgerAwayError:
            if not self.away:  # the writer looks, too, so that others needn't wait
                self.accept(Records(), lambda _error: None)
            raise

    # -- in the background ----------------------------------------------------------------

    def _tell_away(self, reason: str, first: bool) -> None:
        if first:
            self.events.ledger_away(reason)
        for watcher in self._watchers:
            watcher(reason)

    def _tell_back(self) -> None:
        self.events.ledger_back()
        for watcher in self._watchers:
            watcher("")

    def _tell_recorded(self, records: int, seconds: float) -> None:
        self.events.recorded(records, seconds)

    def _read_secret(self) -> bytes:
        with self._database.transaction(prompt=True) as connection:
            new = self._database.add_missing(SETTING)
            connection.execute(new, [{"name": "secret", "value": secrets.token_hex(32)}])
            return bytes.fromhex(connection.execute(_SECRET).scalar_one())

    def _purge(self) -> None:
        step, terms_after = Step("", 0), TOP
        while not self._over.wait(AT_ONCE if step.forgotten else EVERY):
            now = time.time()
            try:
                with self._database.transaction() as connection:
                    step = purge_step(connection, step.after, before=now - (self._keep or 0.0), now=now)
                    terms_after = purge_terms(connection, terms_after)
            except LedgerError as error:
                step = step._replace(forgotten=0)
                log.debug("nothing could be forgotten: %s", error, extra=facts(reason=error))


class _Recording:
    """A job that records hops and facts."""

    __slots__ = ("_then", "patient", "records", "statements")
    after_others = False

    def __init__(self, records: Records, statements: HopStatements, then: Then, *, patient: bool = True) -> None:
        self.patient = patient
        self.records = records
        self.statements = statements
        self._then = then

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        together = Records()
        for job in jobs:
            together.add(job.records)
        together.write(connection, jobs[0].statements)

    def done(self, error: LedgerError | None) -> None:
        self._then(error)
