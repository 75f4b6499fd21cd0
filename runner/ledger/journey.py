"""All hops of one message, and how it stands.

A message is done when every copy of it that was published has been handled: each is one hop, so
that a redelivery changes nothing in the count.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from sqlalchemy import Connection, case, func, or_, select

from runner.ledger.hops import State, kept_of_fact
from runner.ledger.tables import FACT, HOP

Standing = Literal["accepted", "in progress", "waiting", "done", "dead", "dropped"]
ENDS = ("handled", "left", "moved", "dropped")
"""The states of a copy that nothing more becomes of, and that isn't dead."""
AT_ONCE = 500
"""Messages that one query is about."""


@dataclass(frozen=True, slots=True)
class Hop:
    """One copy of the message on one queue. Times are seconds since 1970."""

    copy: str
    queue: str
    state: State
    publisher: str
    """The HTTP route or the stage that published it; empty for other programs."""
    published_at: float
    stage: str
    """The stage that handled it or tried to; empty: none yet."""
    attempts: int
    changed_at: float
    next_at: float | None
    error: str
    """Why the last attempt that failed did, whatever became of it then."""
    took: float | None = None
    """Seconds that the last attempt took; None: none was made, or its end isn't known."""
    told: str = ""
    """What the handler's result says for people: a JSON object, masked."""

    @property
    def waited(self) -> float | None:
        """Seconds from its publication to the end of the last attempt, without that attempt: waits
        between attempts are in it."""
        return None if self.took is None else max(0.0, self.changed_at - self.published_at - self.took)


@dataclass(frozen=True, slots=True)
class Journey:
    """Everything that is known of a message."""

    id: str
    hops: tuple[Hop, ...]
    """In the order in which they were published."""
    facts: dict[str, Any]
    """What stages have recorded. What several copies recorded is a list."""

    @property
    def standing(self) -> Standing:
        states = {hop.state for hop in self.hops}
        if "dead" in states:
            return "dead"
        if states.issubset(ENDS):
            return "dropped" if "dropped" in states else "done"
        if "waiting" in states:
            return "waiting"
        return "accepted" if states == {"published"} else "in progress"

    @property
    def under_way(self) -> bool:
        return self.standing not in ("done", "dead", "dropped")

    @property
    def accepted_at(self) -> float:
        return min(hop.published_at for hop in self.hops)

    @property
    def changed_at(self) -> float:
        return max(hop.changed_at for hop in self.hops)


def read_journey(connection: Connection, id: str) -> Journey | None:
    """The journey of the message `id`; None if nothing is known of it."""
    columns = [HOP.c[name] for name in Hop.__dataclass_fields__]
    query = (
        select(*columns, HOP.c.key_born_at)
        .where(HOP.c.journey == id)
        .order_by(HOP.c.published_at, HOP.c.publisher, func.length(HOP.c.copy), HOP.c.copy, HOP.c.queue)
    )
    rows = [(Hop(*row[:-1]), row.key_born_at is not None) for row in connection.execute(query)]
    at_work: dict[tuple[str, str], list[tuple[Hop, bool]]] = {}
    for hop, once in rows:
        at_work.setdefault((hop.stage, hop.copy), []).append((hop, once))
    hops = [(hop, _is_phantom(hop, at_work)) for hop, _ in rows]
    alive = tuple(hop for hop, is_phantom in hops if not is_phantom)
    gone = {hop.copy for hop, is_phantom in hops if is_phantom} - {hop.copy for hop in alive}
    return Journey(id, alive, _facts(connection, id, gone)) if hops else None


def _is_phantom(hop: Hop, at_work: Mapping[tuple[str, str], Sequence[tuple[Hop, bool]]]) -> bool:
    """Whether a copy was only announced: a worker died before it published it, and the handler
    returned something else when it was called again. (A copy that was published all the same
    is known once it is handled.) `at_work` has, by stage and copy, those that a handler has had, and whether it
    runs once: else it may have handled one twice."""
    if hop.state != "published" or not hop.publisher:
        return False
    parents = [found for copy in _lineage(hop.copy) for found in at_work.get((hop.publisher, copy), ())]
    return bool(parents) and all(
        parent.state == "handled" and not once and parent.changed_at > hop.published_at for parent, once in parents
    )


def _lineage(copy: str) -> Iterator[str]:
    """`m1.2.1`, `m1.2`, `m1`: itself, and those that it may be one of several copies of."""
    while copy:
        yield copy
        copy = copy.rpartition(".")[0]


def read_ended(connection: Connection, ids: Sequence[str]) -> list[Journey]:
    """The journeys of those messages that are done or dead."""
    dead = func.sum(case((HOP.c.state == "dead", 1), else_=0))
    under_way = func.sum(case((HOP.c.state.in_(ENDS), 0), else_=1))
    ended: list[str] = []
    for start in range(0, len(ids), AT_ONCE):
        query = select(HOP.c.journey).where(HOP.c.journey.in_(ids[start : start + AT_ONCE])).group_by(HOP.c.journey)
        ended += connection.execute(query.having(or_(dead > 0, under_way == 0))).scalars()
    return [journey for one in ended if (journey := read_journey(connection, one)) is not None]


def find_recorded(
    connection: Connection, name: str, value: Any, since: float, until: float | None, most: int
) -> list[tuple[str, float]]:
    """The ids of messages of which a stage has recorded `value` as `name` at `since` or later, and before
    `until`, each with the time; the newest first, at most `most`."""
    query = (
        select(FACT.c.journey, FACT.c.recorded_at)
        .where(FACT.c.name == name, FACT.c.value == kept_of_fact(json_of(value)), FACT.c.recorded_at >= since)
        .order_by(FACT.c.recorded_at.desc())
        .limit(most)
    )
    if until is not None:
        query = query.where(FACT.c.recorded_at < until)
    return [(row.journey, row.recorded_at) for row in connection.execute(query)]


def json_of(value: Any) -> str:
    """A fact's value as it is stored."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _facts(connection: Connection, id: str, without: Collection[str]) -> dict[str, Any]:
    query = select(FACT.c.name, FACT.c.value, FACT.c.copy).where(FACT.c.journey == id)
    values: dict[str, list[Any]] = {}
    by_number = (func.length(FACT.c.copy), FACT.c.copy)  # m1.2, m1.10
    for name, value, copy in connection.execute(query.order_by(FACT.c.name, *by_number)):
        if copy not in without:
            values.setdefault(name, []).append(_parsed(value))
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def _parsed(value: str) -> Any:
    """One that was too long to be stored whole is shown as text."""
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
