"""Outcomes that may come in several ways: who tells each of them, and whether a late answer has come.

A handler returns what became of a message; a look-up, or a late answer (`settles`), may tell the same. In one
transaction with its record, a result learns which of its outcomes others have told; those are
not published. Whoever was first tells its own again if it comes again, so a crash in between loses nothing.

A late answer may come before the message that it answers is known to wait for it. So all of this is remembered
on its own, beside the idempotency keys, and forgotten as these are. Left out: what an outcome is
(see `worker.telling`), and who waits for one (see `worker.reconcile`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Self

import orjson
from sqlalchemy import Connection, select

from runner.errors import LedgerError
from runner.ledger.database import Database, Row, locked
from runner.ledger.hops import Records
from runner.ledger.requests import RequestStatements, in_order
from runner.ledger.tables import HOP, REQUEST
from runner.message import root_id

CALLER = "late answer"
"""Instead of a caller, whose name begins with the method of a route."""
KEPT = 30 * 86400.0
"""Seconds."""


class Outcome(NamedTuple):
    """What a published message tells."""

    of: str
    """The message that this became of; empty: it isn't known."""
    what: str
    """The same for the same outcome, however it comes; empty: nothing tells it from others."""


class Verdict(NamedTuple):
    """What is to be done about an outcome."""

    tells: bool = True
    """Whether it is published."""
    is_new: bool = True
    """Whether it is told for the first time."""
    is_known: bool = True
    """Whether the message is that this became of."""


class Verdicts(NamedTuple):
    """One for each outcome of a result; and whether a late answer had come before."""

    each: Sequence[Verdict]
    late: bool = False


class Telling:
    """Record a result that tells `outcomes` (at least one), by the message `teller`.

    `is_late`: it is a late answer. `is_provisional`: it isn't the last word, and not told after a late answer.
    What `records` returns for the verdicts is recorded with it.
    """

    patient = True
    after_others = False

    def __init__(
        self,
        teller: str,
        outcomes: Sequence[Outcome],
        *,
        is_late: bool,
        is_provisional: bool,
        at: float,
        statements: RequestStatements,
        records: Callable[[Verdicts], Records],
        then: Callable[[Verdicts | None, LedgerError | None], None],
    ) -> None:
        self.outcomes = outcomes
        self.is_late = is_late
        self.statements = statements
        self.records = records
        self._teller = teller
        self._is_provisional = is_provisional
        self._at = at
        self._then = then
        self.verdicts = Verdicts(())

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:  # noqa: ARG003 - a Job
        statements = jobs[0].statements
        rows = {row["key"]: row for job in jobs for row in job.first_rows()}
        if statements.insert.execute(connection, [tuple(row.values()) for row in rows.values()]) < len(rows):
            rows = {row["key"]: dict(row) for row in locked(connection, REQUEST, [(CALLER, of) for of in rows])}
        known = _known(connection, {outcome.of for job in jobs if job.is_late for outcome in job.outcomes})
        told = {of: orjson.loads(row["answer"] or b"{}") for of, row in rows.items()}
        records = Records()
        for job in jobs:
            job.decide(rows, told, known)
            records.add(job.records(job.verdicts))
        changed = [{**row, "answer": orjson.dumps(told[of])} for of, row in rows.items()]
        if changed:
            statements.take_over.execute(connection, in_order(changed))
        records.write(connection, statements.hops)

    def done(self, error: LedgerError | None) -> None:
        self._then(None if error else self.verdicts, error)

    def first_rows(self) -> Iterator[Row]:
        """If nothing was told of these messages before. `message` is to be the late answer, `answer` who tells what."""
        for of in {outcome.of for outcome in self.outcomes if outcome.of}:
            yield {
                "caller": CALLER,
                "key": of,
                "fingerprint": "",
                "message": "",
                "answer": b"{}",
                "busy_until": 0.0,
                "expires_at": self._at + KEPT,
            }

    def decide(self, rows: Mapping[str, Row], told: Mapping[str, dict[str, str]], known: Collection[str]) -> None:
        """By the rows of its messages, and who has told what of each; both are changed."""
        of_these = {outcome.of for outcome in self.outcomes if outcome.of}
        late = not self.is_late and any(rows[of]["message"] for of in of_these)
        if late and self._is_provisional:
            self.verdicts = Verdicts([Verdict(tells=False, is_new=False)] * len(self.outcomes), late)
            return
        before = {of: dict(told[of]) for of in of_these}
        for of in of_these:
            rows[of].update(expires_at=self._at + KEPT, **({"message": self._teller} if self.is_late else {}))
        each = [self._verdict(outcome, before.get(outcome.of, {}), told, known) for outcome in self.outcomes]
        self.verdicts = Verdicts(each, late)

    def _verdict(
        self, outcome: Outcome, before: Mapping[str, str], told: Mapping[str, dict[str, str]], known: Collection[str]
    ) -> Verdict:
        is_known = bool(outcome.of) and (not self.is_late or root_id(outcome.of) in known)
        if not outcome.of or not outcome.what:
            return Verdict(is_known=is_known)
        teller = told[outcome.of].setdefault(outcome.what, self._teller)
        return Verdict(teller == self._teller, outcome.what not in before, is_known)


def _known(connection: Connection, messages: Collection[str]) -> set[str]:
    """The journeys that there are, of those that these messages would be in."""
    journeys = {root_id(message) for message in messages if message}
    query = select(HOP.c.journey).where(HOP.c.journey.in_(journeys)).distinct()
    return set(connection.execute(query).scalars()) if journeys else set()


def has_come(connection: Connection, message: str) -> bool:
    """Whether a late answer to this message has come."""
    of: tuple[Any, ...] = (REQUEST.c.caller == CALLER, REQUEST.c.key == message)
    return connection.execute(select(REQUEST.c.key).where(*of, REQUEST.c.message != "")).first() is not None
