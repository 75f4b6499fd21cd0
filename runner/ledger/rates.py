"""Rate limits over all processes: how many requests of a caller were let through lately.

The time that a limit speaks of is divided into parts, and each request counts in its part. What is
let through in the part of now and the sixty before it is at most the limit, so that there is more in
no span of that time. The counts of a caller are one row, which many requests change in one transaction.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import groupby
from struct import Struct
from typing import NamedTuple, Self

from sqlalchemy import BigInteger, Connection, Double, LargeBinary, bindparam, update

from runner.errors import LedgerError
from runner.ledger.database import Database, locked
from runner.ledger.tables import SPENT
from runner.pipeline import RateLimit

PARTS = 60
SKEW = 60.0
"""Seconds by which the clocks of machines may differ."""
_COUNTS = Struct(f">{PARTS + 1}I")


class Spent(NamedTuple):
    """What a limit says to one request."""

    is_let_through: bool
    remaining: int
    """How many more would be, now."""
    reset: float
    """Seconds until there are more."""


Told = Callable[[Spent | None, LedgerError | None], None]


class Window:
    """The last requests of one caller, by `counts`, the newest part first, which is `part`."""

    def __init__(self, limit: RateLimit, part: int = 0, counts: bytes = b"") -> None:
        self._limit = limit
        self.part = part
        self._counts = list(_COUNTS.unpack(counts)) if len(counts) == _COUNTS.size else [0] * (PARTS + 1)

    @property
    def counts(self) -> bytes:
        return _COUNTS.pack(*self._counts)

    def advance(self, now: float) -> None:
        """Forget what is too long ago. Time runs backwards only where a clock was far ahead: those of
        machines may differ a little."""
        part = int(now * PARTS / self._limit.seconds)
        passed = part - self.part
        if passed < -PARTS - SKEW * PARTS / self._limit.seconds:
            passed = PARTS + 1
        if passed > 0:
            kept = self._counts[: max(0, PARTS + 1 - passed)]
            self._counts = [0] * (PARTS + 1 - len(kept)) + kept
            self.part = part

    def spend(self, now: float) -> Spent:
        """Let one request through, if there is room."""
        remaining = self._limit.requests - sum(self._counts)
        if remaining > 0:
            self._counts[0] += 1
        return Spent(remaining > 0, max(0, remaining - 1), self._reset(now))

    def _reset(self, now: float) -> float:
        oldest = max((index for index, count in enumerate(self._counts) if count), default=0)
        leaves = (self.part - oldest + PARTS + 1) * self._limit.seconds / PARTS
        return max(0.0, leaves - now)


class Spend:
    """Ask whether a request of `caller` is let through."""

    patient = False
    after_others = False

    def __init__(self, route: str, caller: str, limit: RateLimit, told: Told) -> None:
        self.key = (route, caller)
        self.limit = limit
        self._told = told
        self.spent: Spent | None = None

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        now = time.time()
        callers = [list(group) for _, group in groupby(sorted(jobs, key=lambda job: job.key), lambda job: job.key)]
        new = [cls._row(group[0], Window(group[0].limit), now) for group in callers]
        connection.execute(database.add_missing(SPENT), new)
        rows = locked(connection, SPENT, [group[0].key for group in callers])
        found = {(row["route"], row["caller"]): (row["part"], row["counts"]) for row in rows}
        changed = []
        for group in callers:
            window = Window(group[0].limit, *found[group[0].key])
            window.advance(now)
            for job in group:
                job.spent = window.spend(now)
            changed.append({f"the_{name}": value for name, value in cls._row(group[0], window, now).items()})
        connection.execute(_CHANGE, changed)

    @staticmethod
    def _row(job: Spend, window: Window, now: float) -> dict[str, object]:
        route, caller = job.key
        expires = now + 2 * job.limit.seconds
        return {
            "route": route,
            "caller": caller,
            "part": window.part,
            "counts": window.counts,
            "expires_at": expires,
        }

    def done(self, error: LedgerError | None) -> None:
        self._told(None if error is not None else self.spent, error)


_CHANGE = (
    update(SPENT)
    .where(SPENT.c.route == bindparam("the_route"), SPENT.c.caller == bindparam("the_caller"))
    .values(
        part=bindparam("the_part", type_=BigInteger),
        counts=bindparam("the_counts", type_=LargeBinary),
        expires_at=bindparam("the_expires_at", type_=Double),
    )
)
