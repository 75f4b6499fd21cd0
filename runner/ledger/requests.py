"""Idempotency keys: a request that comes again with its key causes nothing new.

Only what was answered 202 is remembered. A key is *in flight* while its request is being
answered; if that takes longer than it may (the intake was killed), whoever comes next with
the key takes it over, with the same message id.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, Self

from sqlalchemy import Connection, LargeBinary, RowMapping, bindparam, func, select, tuple_, update

from runner.errors import LedgerError
from runner.ledger.database import Database, Row
from runner.ledger.hops import HopStatements, Records
from runner.ledger.tables import REQUEST

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
    after_others = False

    def __init__(
        self,
        requested: Requested,
        records: Callable[[str], Records],
        *,
        at: float,
        busy: float,
        keep: float,
        statements: HopStatements,
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
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        wanted = {(job.requested.caller, job.requested.key): job.first_row() for job in reversed(jobs)}
        keys = sorted(wanted)
        new = database.add_missing(REQUEST)
        connection.execute(new, [wanted[key] for key in keys])
        found = {(row["caller"], row["key"]): dict(row) for row in cls._locked(connection, keys)}
        taken: set[tuple[str, str]] = set()
        for job in jobs:
            job.decide(found[job.requested.caller, job.requested.key], taken)
        changed = [found[key] for key in sorted(taken)]
        if changed:
            connection.execute(_TAKE_OVER, [{f"the_{name}": value for name, value in row.items()} for row in changed])
        records = Records()
        for job in jobs:
            if isinstance(job.claimed, Granted):
                records.add(job.records(job.claimed.message))
        records.write(connection, jobs[0].statements)

    @staticmethod
    def _locked(connection: Connection, keys: Sequence[tuple[str, str]]) -> list[RowMapping]:
        """Their rows, in one order; SQLite has locked everything already."""
        query = (
            select(REQUEST)
            .where(tuple_(REQUEST.c.caller, REQUEST.c.key).in_(keys))
            .order_by(REQUEST.c.caller, REQUEST.c.key)
            .with_for_update()
        )
        return list(connection.execute(query).mappings())

    def done(self, error: LedgerError | None) -> None:
        self._then(None if error else self.claimed, error)

    def first_row(self) -> Row:
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

    def decide(self, row: Row, taken: set[tuple[str, str]]) -> None:
        requested = self.requested
        key = (requested.caller, requested.key)
        if self._is_mine(row) and key not in taken:
            self._grant(row, key, taken)
        elif row["expires_at"] <= self._at:
            row.update(self.first_row())
            self._grant(row, key, taken)
        elif row["fingerprint"] not in (requested.fingerprint, *requested.older):
            self.claimed = Mismatch()
        elif row["answer"] is not None:
            self.claimed = Answered(row["answer"], row["message"])
        elif 0.0 < (left := row["busy_until"] - self._at) <= self._busy + CLOCKS_DIFFER:
            self.claimed = InFlight(left)
        else:
            self._grant(row, key, taken)

    def _is_mine(self, row: Row) -> bool:
        """Whether it is the row of this very request, now or in a transaction whose end was lost. The
        message's id alone doesn't tell: that of a signed request is the same when it is sent again."""
        is_now = bool(row["busy_until"] == self._at + self._busy)
        return is_now and row["message"] == self.requested.message and row["answer"] is None

    def _grant(self, row: Row, key: tuple[str, str], taken: set[tuple[str, str]]) -> None:
        row["busy_until"] = self._at + self._busy
        taken.add(key)
        self.claimed = Granted(row["message"])


class Close:
    """The request with the key was answered: with 202 and `answer`, or, if that is None, not, and
    may come again at once. Its `message` tells it from a later one, when the key had expired; an
    answer that another one was given meanwhile, who took the key over, stays."""

    patient = False
    after_others = False

    def __init__(
        self,
        caller: str,
        key: str,
        message: str,
        answer: bytes | None,
        then: Callable[[LedgerError | None], None],
        records: Records,
        statements: HopStatements,
    ) -> None:
        self.records = records
        self.statements = statements
        self.row = {"the_caller": caller, "the_key": key, "the_message": message, "the_answer": answer}
        self._then = then

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        rows = sorted((job.row for job in jobs), key=lambda row: (row["the_caller"], row["the_key"]))
        connection.execute(_CLOSE, rows)
        records = Records()
        for job in jobs:
            records.add(job.records)
        records.write(connection, jobs[0].statements)

    def done(self, error: LedgerError | None) -> None:
        self._then(error)


def count_expiring(connection: Connection, route: str, after: float, until: float) -> int:
    """How many requests to a route, of all its callers, are remembered and expire in that time."""
    whose = (REQUEST.c.caller == route) | REQUEST.c.caller.startswith(f"{route} (", autoescape=True)
    expiring = REQUEST.c.expires_at.between(after, until)
    return int(connection.execute(select(func.count()).select_from(REQUEST).where(whose, expiring)).scalar_one())


_ROW = (REQUEST.c.caller == bindparam("the_caller"), REQUEST.c.key == bindparam("the_key"))
_TAKE_OVER = (
    update(REQUEST)
    .where(*_ROW)
    .values(
        {name: bindparam(f"the_{name}") for name in ("fingerprint", "message", "answer", "busy_until", "expires_at")}
    )
)
_CLOSE = (
    update(REQUEST)
    .where(*_ROW, REQUEST.c.message == bindparam("the_message"))
    .values(answer=func.coalesce(bindparam("the_answer", type_=LargeBinary), REQUEST.c.answer), busy_until=0.0)
)
