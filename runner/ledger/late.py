"""Late answers that have come: to which messages.

One may come before the message that it answers is known to wait for it. So it is remembered on its
own, beside the idempotency keys, and forgotten as these are. Left out: who waits (see `worker.reconcile`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Self

from sqlalchemy import Connection, select

from runner.errors import LedgerError
from runner.ledger.database import Database
from runner.ledger.tables import REQUEST
from runner.wording import facts

log = logging.getLogger("runner.ledger")

CALLER = "late answer"
"""Instead of a caller, whose name begins with the method of a route."""
KEPT = 30 * 86400.0
"""Seconds."""


class Came:
    """A late answer to each of `messages` has come at the time `at`."""

    patient = True
    after_others = False

    def __init__(self, messages: Sequence[str], at: float) -> None:
        self.messages = messages
        self._at = at

    @classmethod
    def run(cls, jobs: Sequence[Self], connection: Connection, database: Database) -> None:
        rows = [job.row(message) for job in jobs for message in job.messages]
        # In one order everywhere, so that two processes that write the same rows don't deadlock.
        connection.execute(database.add_missing(REQUEST), sorted(rows, key=lambda row: str(row["key"])))

    def row(self, message: str) -> dict[str, object]:
        return {
            "caller": CALLER,
            "key": message,
            "fingerprint": "",
            "message": message,
            "answer": b"",
            "busy_until": 0.0,
            "expires_at": self._at + KEPT,
        }

    def done(self, error: LedgerError | None) -> None:
        if error is not None:
            told = facts(ids=list(self.messages), reason=error)
            log.error(
                "the late answers to messages %s could not be recorded: %s", ", ".join(self.messages), error, extra=told
            )


def has_come(connection: Connection, message: str) -> bool:
    """Whether a late answer to this message has come."""
    query = select(REQUEST.c.key).where(REQUEST.c.caller == CALLER, REQUEST.c.key == message)
    return connection.execute(query).first() is not None
