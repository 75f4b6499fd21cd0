"""Idempotency keys: a request that comes again with its key causes nothing new.

Only what was answered 202 is remembered. A key is *in flight* while its request is being
answered; if that takes longer than it may (the intake was killed), whoever comes next with
the key takes it over, with the same message id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, bindparam, func, select, update

from runner.errors import LedgerError
from runner.ledger.database import Database, Row, locked
from runner.ledger.hops import HopStatements, Prepared, Records
from runner.ledger.tables import REQUEST
from runner.ledger.upsert import Upsert

CLOCKS_DIFFER = 600.0
"""Seconds by which the clocks of two machines may differ. A key that seems in flight for longer than
that beyond its time dates from before a clock was set back."""


class Requested(NamedTuple):
    """A request with a key."""

    caller: str
    key: str
    fingerprint: str
    message: str
    """The id that its message has if the key is new."""
    older: tuple[str, ...] = ()
    """The fingerprint as it may have been kept before, by another key."""


class Granted(NamedTuple):
    """Nobody has been answered with this key: publish, as the message of this id."""

    message: str


class InFlight(NamedTuple):
    """Another request with the key is being answered, for up to so many seconds more."""

    seconds: float


class Mismatch(NamedTuple):
    """The key was used with another body."""


class Answered(NamedTuple):
    """It was answered 202 with this body."""

    answer: bytes
    message: str


Claimed = Granted | InFlight | Mismatch | Answered


class Claim:
    """Ask what to do with a request, and record what it publishes: `records`, whose message ids
    are those of `requested`, and are changed if the key is taken over."""

    patient = False
    after_others = True
    """A request that comes again meets the record of its answer, though both are written together."""

    def __init__(
        self,
        requested: Requested,
        records: Callable[[str], Records],
        *,
        at: float,
        busy: float,
        keep: float,
        statements: RequestStatements,
        then: Callable[[Claimed | None, LedgerError | None], None],
    ) -> None:
        self.requested = requested
        self.records = records
        self._at = at
        self._busy = busy
        self._keep = keep
        self.statements = statements
        self._then = then
        self.claimed: Claimed = Mismatch()

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        statements = jobs[0].statements
        found = {(job.requested.caller, job.requested.key): job.first_row() for job in reversed(jobs)}
        if statements.insert.execute(connection, [tuple(row.values()) for row in found.values()]) < len(found):
            found = {(row["caller"], row["key"]): dict(row) for row in locked(connection, REQUEST, found)}
        granted: set[tuple[str, str]] = set()
        changed = [row for job in jobs if (row := job.decide(found, granted)) is not None]
        if changed:
            statements.take_over.execute(connection, in_order(changed))
        records = Records()
        for job in jobs:
            if isinstance(job.claimed, Granted):
                records.add(job.records(job.claimed.message))
        records.write(connection, statements.hops)

    def done(self, error: LedgerError | None) -> None:
        self._then(None if error else self.claimed, error)

    def first_row(self) -> Row:
        """If the key is new."""
        requested = self.requested
        return {
            "caller": requested.caller,
            "key": requested.key,
            "fingerprint": requested.fingerprint,
            "message": requested.message,
            "answer": None,
            "busy_until": self._at + self._busy,
            "expires_at": self._at + max(self._keep, self._busy),
        }

    def decide(self, found: Mapping[tuple[str, str], Row], granted: set[tuple[str, str]]) -> Row | None:
        """By the row of its key in `found`; `granted` are the keys that others in the transaction were. Returns
        the row if it is changed."""
        requested = self.requested
        key = (requested.caller, requested.key)
        row = found[key]
        if self._is_mine(row) and key not in granted:
            self._grant(row, granted)
        elif row["expires_at"] <= self._at:
            row.update(self.first_row())
            return self._grant(row, granted)
        elif row["fingerprint"] not in (requested.fingerprint, *requested.older):
            self.claimed = Mismatch()
        elif row["answer"] is not None:
            self.claimed = Answered(row["answer"], row["message"])
        elif 0.0 < (left := row["busy_until"] - self._at) <= self._busy + CLOCKS_DIFFER:
            self.claimed = InFlight(left)
        else:
            return self._grant(row, granted)
        return None

    def _is_mine(self, row: Row) -> bool:
        """Whether it is the row of this very request, now or in a transaction whose end was lost. The
        message's id alone doesn't tell: that of a signed request is the same when it is sent again."""
        is_now = bool(row["busy_until"] == self._at + self._busy)
        return is_now and row["message"] == self.requested.message and row["answer"] is None

    def _grant(self, row: Row, granted: set[tuple[str, str]]) -> Row:
        row["busy_until"] = self._at + self._busy
        granted.add((row["caller"], row["key"]))
        self.claimed = Granted(row["message"])
        return row


class Close:
    """The request with the key was answered: with 202 and `answer`, or, if that is None, not, and
    may come again at once. Its `message` tells it from a later one, when the key had expired; an
    answer that another one was given meanwhile, who took the key over, stays."""

    patient = True
    after_others = False

    def __init__(
        self,
        caller: str,
        key: str,
        message: str,
        answer: bytes | None,
        then: Callable[[LedgerError | None], None],
        records: Records,
        statements: RequestStatements,
    ) -> None:
        self.records = records
        self.statements = statements
        self.row = caller, key, message, answer
        self._then = then

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        statements = jobs[0].statements
        statements.close.execute(connection, [job.row for job in jobs])
        records = Records()
        for job in jobs:
            records.add(job.records)
        records.write(connection, statements.hops)

    def done(self, error: LedgerError | None) -> None:
        self._then(error)


def read_answered(connection: Connection, requested: Requested, now: float) -> Answered | None:
    """What this very request was answered before; None if it was not."""
    columns = (REQUEST.c.fingerprint, REQUEST.c.answer, REQUEST.c.message)
    whose = (REQUEST.c.caller == requested.caller, REQUEST.c.key == requested.key, REQUEST.c.expires_at > now)
    row = connection.execute(select(*columns).where(*whose)).first()
    if row is None or row.answer is None or row.fingerprint not in (requested.fingerprint, *requested.older):
        return None
    return Answered(row.answer, row.message)


def count_expiring(connection: Connection, route: str, after: float, until: float) -> int:
    """How many requests to a route, of all its callers, are remembered and expire in that time."""
    whose = (REQUEST.c.caller == route) | REQUEST.c.caller.startswith(f"{route} (", autoescape=True)
    expiring = REQUEST.c.expires_at.between(after, until)
    return int(connection.execute(select(func.count()).select_from(REQUEST).where(whose, expiring)).scalar_one())


def in_order(rows: list[Row]) -> list[Row]:
    """As parameters of `take_over`, in the order in which all lock them."""
    rows.sort(key=itemgetter("caller", "key"))
    return [{f"the_{name}": value for name, value in row.items()} for row in rows]


_ROW = (REQUEST.c.caller == bindparam("the_caller"), REQUEST.c.key == bindparam("the_key"))
_COLUMNS = ("fingerprint", "message", "answer", "busy_until", "expires_at")
_TAKE_OVER = update(REQUEST).where(*_ROW).values({name: bindparam(f"the_{name}") for name in _COLUMNS})


def _close(insert: Any) -> Any:
    """One that has been forgotten meanwhile comes back as one that has expired: it is forgotten again."""
    new = insert.excluded
    changed = {"answer": func.coalesce(new.answer, REQUEST.c.answer), "busy_until": new.busy_until}
    return insert.on_conflict_do_update(
        index_elements=("caller", "key"), set_=changed, where=REQUEST.c.message == new.message
    )


_CLOSED = ("caller", "key", "message", "answer")
_CLOSED_CONSTANTS = {"fingerprint": "''", "busy_until": "0.0", "expires_at": "0.0"}


class RequestStatements:
    """The statements about requests, for one database; and `hops`, what they publish."""

    def __init__(self, database: Database, hops: HopStatements) -> None:
        self.hops = hops
        columns = [column.name for column in REQUEST.c]
        self.insert = Upsert(database, REQUEST, columns, {}, lambda insert: insert.on_conflict_do_nothing())
        """Leaves alone what is there."""
        self.take_over = Prepared(_TAKE_OVER, database)
        self.close = Upsert(database, REQUEST, _CLOSED, _CLOSED_CONSTANTS, _close)
