"""Forgetting what is older than the ledger keeps it, in small steps.

Hops are read in the order of their primary key, a few hundred at a time, and one turn through
the table takes as many steps as it has pages: no index is needed for it, which every message
would pay for. What a handler that runs once was allowed to begin, and has not finished, stays:
whoever handles it later has to know. So does for a while what it has finished: while a broker is
away, the message may still lie there, and comes again.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, case, delete, func, select, tuple_

from runner.ledger.tables import FACT, HOP, REQUEST, SPENT

STEP = 500
"""Rows that are looked at in one transaction."""
ONCE_KEPT = 86_400.0
"""Seconds for which what a handler that runs once has finished is remembered at least."""
EVERY, AT_ONCE = 1.0, 0.05
"""Seconds between two steps, and after one that found something: more is to be forgotten there than comes in."""


class Step(NamedTuple):
    """What a step has come to."""

    after: str
    """Where to go on; empty: at the top."""
    forgotten: int
    """Rows."""


def purge_step(connection: Connection, after: str, *, before: float, now: float) -> Step:
    """Look at the next rows, of journeys after `after`: forget the journeys that last changed before
    `before`, and the idempotency keys and rates that expired before `now`."""
    forgotten = 0
    for table in (REQUEST, SPENT):
        key = list(table.primary_key)
        expired = select(*key).where(table.c.expires_at <= now).limit(STEP)
        those = tuple_(*key).in_(expired)
        forgotten += connection.execute(delete(table).where(those, table.c.expires_at <= now)).rowcount
    ids = select(HOP.c.journey).where(HOP.c.journey > after).order_by(HOP.c.journey).limit(STEP)
    found = list(connection.execute(ids).scalars())
    if not found:
        return Step("", forgotten)
    once = HOP.c.key_born_at.is_not(None)
    unfinished = case((once & (HOP.c.state != "handled"), 1), else_=0)
    last = func.coalesce(HOP.c.next_at, HOP.c.changed_at)  # what waits is under way until then
    old = (
        select(HOP.c.journey)
        .where(HOP.c.journey > after, HOP.c.journey <= found[-1])
        .group_by(HOP.c.journey)
        .having(func.max(last) < before, func.max(unfinished) == 0)
        .having(func.max(case((once, last + ONCE_KEPT - now), else_=-1.0)) < 0.0)
    )
    journeys = list(connection.execute(old).scalars())
    for table in (HOP, FACT):
        if journeys:
            forgotten += connection.execute(delete(table).where(table.c.journey.in_(journeys))).rowcount
    return Step(found[-1], forgotten)
