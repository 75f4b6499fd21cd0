"""What an operator does to a copy of a message, in its journey: it is sent again, or taken away.

Each is recorded before it is done, and can be taken back where nothing comes of it. A copy that has
changed in the meantime is left alone. Left out: who did it, and why, in full (see `runner.audit`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, and_, bindparam, case, delete, insert, select, update
from sqlalchemy.sql.elements import ColumnElement

from runner.ledger.database import Database, Row
from runner.ledger.hops import LONGEST_ERROR, HopKey, storable
from runner.ledger.lineage import via_of
from runner.ledger.tables import HOP
from runner.ledger.url import path_of

End = Literal["moved", "dropped"]
Undo = Callable[[], None]
"""Makes it as it was, where nothing has changed since. Raises LedgerError."""
_IN_HAND = "begun"
PARKED = "parked"
"""How the error of a message begins that waits for a person's decision."""


Copy = tuple[str, str, Mapping[str, Any]]
"""One copy of a message on one queue: its id, the queue, and its headers."""


class Interventions:
    """In the ledger at `url`; without its file, nothing is remembered. On the queues `leaving` nothing more
    becomes of a message. The methods raise LedgerError. Any thread may call them."""

    def __init__(self, url: str, leaving: Collection[str] = ()) -> None:
        path = path_of(url)
        self._database = Database(url) if path is None or path.exists() else None
        self._leaving = leaving
        self._again = None if self._database is None else _again(self._database)

    def sent_or_gone(self, changes: Sequence[tuple[Copy, Collection[Copy]]], why: str) -> Sequence[Undo]:
        """Each copy is published to all that stands beside it, as new; gone for good where that is nothing. In one
        transaction. Of one that was parked, the operator has found out what has become of it; any other may still be
        parked, once its idempotency key is too old."""
        if self._database is None:
            return [_nothing for _ in changes]
        assert self._again is not None
        keys = [(_key(*copy), {_key(*other) for other in to}) for copy, to in changes]
        again = {key for _, reached in keys for key in reached}
        ends: dict[HopKey, End] = {
            key: "moved" if reached else "dropped" for key, reached in keys if key not in reached
        }
        with self._database.transaction(prompt=True) as connection:
            at, before = time.time(), dict(_rows(connection, {*again, *ends}))
            for key in sorted(ends):
                _end(connection, key, ends[key], why, at)
            if again:
                states = {key: "left" if key.queue in self._leaving else "published" for key in sorted(again)}
                connection.execute(self._again, [_new_row(key, state, why, at) for key, state in states.items()])
        return [
            partial(self._make_as_it_was, [(one, before[one]) for one in sorted({key, *reached})], at)
            for key, reached in keys
        ]

    def close(self) -> None:
        if self._database is not None:
            self._database.close()

    def _make_as_it_was(self, before: Sequence[tuple[HopKey, Row | None]], at: float) -> None:
        assert self._database is not None
        with self._database.transaction(prompt=True) as connection:
            for key, row in before:
                ours = delete(HOP).where(_is(key), HOP.c.changed_at == at)
                if connection.execute(ours).rowcount and row is not None:
                    connection.execute(insert(HOP), [row])


_KEPT = ("journey", "copy", "queue", "via", "publisher", "published_at", "stage", "result")


def _again(database: Database) -> Any:
    """Made once: it costs more to make than to execute."""
    statement = database.insert(HOP)
    new = statement.excluded
    decided = case((HOP.c.error.startswith(PARKED), None), else_=HOP.c.key_born_at)
    return statement.on_conflict_do_update(
        index_elements=("journey", "copy", "queue", "via"),
        set_={**{c.name: new[c.name] for c in HOP.columns if c.name not in _KEPT}, "key_born_at": decided},
        where=HOP.c.state != _IN_HAND,
    )


def _key(id: str, queue: str, headers: Mapping[str, Any]) -> HopKey:
    return HopKey(id, queue, via_of(headers))


def _nothing() -> None:
    pass


def _rows(connection: Connection, keys: Iterable[HopKey]) -> list[tuple[HopKey, Row | None]]:
    """In one order everywhere, so that two processes that write the same rows don't deadlock."""
    found = []
    for key in sorted(keys):
        row = connection.execute(_ROW, key.row()).mappings().one_or_none()
        found.append((key, None if row is None else dict(row)))
    return found


def _end(connection: Connection, key: HopKey, state: End, why: str, at: float) -> None:
    """A copy that the ledger doesn't know, of another program's message, needs no end."""
    change = {"state": state, "changed_at": at, "next_at": None, "error": _shown(why)}
    connection.execute(update(HOP).where(_is(key), HOP.c.state != _IN_HAND).values(change))


def _new_row(key: HopKey, state: str, why: str, at: float) -> Row:
    times = {"published_at": at, "changed_at": at, "next_at": None, "key_born_at": None}
    texts = {"state": state, "publisher": "", "stage": "", "error": _shown(why), "holder": ""}
    return {**key.row(), **texts, **times, "attempts": 0, "result": None}


def _is(key: HopKey) -> ColumnElement[bool]:
    return and_(*(HOP.c[name] == value for name, value in key.row().items()))


_ROW = select(HOP).where(*(HOP.c[name] == bindparam(name) for name in HopKey("", "").row()))
"""Made once, as `_again` is."""


def _shown(why: str) -> str:
    return storable(why)[:LONGEST_ERROR]
