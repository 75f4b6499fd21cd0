"""A copy of a message on a queue: its states, and the rows that record them.

A copy is *published* before its queue has it, *begun* when a handler may run that runs once,
*waiting* for its next attempt, and in the end *handled* or *dead*; on a queue that no stage
consumes it has *left*. An operator may have *moved* or *dropped* it (see `interventions`). Each
is recorded by what identifies the hop, so that recording it again, after a crash, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, case, delete, func, literal_column, update

from runner.ledger.database import Database
from runner.ledger.tables import FACT, HOP, TERM
from runner.ledger.upsert import Row, Upsert
from runner.message import LATE, root_id

State = Literal["published", "begun", "waiting", "handled", "left", "dead", "moved", "dropped"]

_KEY = ("journey", "copy", "queue", "via")
NOTHING = b"[]"
"""A result that publishes nothing."""
LONGEST_ERROR = 1_000
"""Characters."""
LONGEST_FACT = 2_000
"""Bytes: PostgreSQL's index has room for 2,704, with the fact's name."""


class HopKey(NamedTuple):
    """What identifies a hop."""

    copy: str
    """The message's id."""
    queue: str
    via: str = ""

    @property
    def journey(self) -> str:
        return root_id(self.copy)

    def values(self) -> tuple[str, str, str, str]:
        """The primary key of its row."""
        return root_id(self.copy), self.copy, self.queue, self.via

    def row(self) -> dict[str, str]:
        """The same, by the names of the columns."""
        return dict(zip(_KEY, self.values(), strict=True))


class Settled(NamedTuple):
    """What became of an attempt."""

    key: HopKey
    state: State
    stage: str
    attempts: int
    at: float
    next_at: float | None = None
    error: str = ""
    result: bytes | None = None
    took: float | None = None
    """Seconds."""
    told: str = ""
    """A JSON object of texts, masked: what the result says for people."""


class HopStatements:
    """The statements that record hops, for one database."""

    def __init__(self, database: Database) -> None:
        self.begin_new = Upsert(database, HOP, _BEGUN, _BEGUN_CONSTANTS, _begin_new)
        """Begins only what was never begun."""
        self.by_name: dict[str, Upsert | Prepared] = {
            "publish": Upsert(database, HOP, _PUBLISHED, _PUBLISHED_CONSTANTS, _publish),
            "begin": Upsert(database, HOP, _BEGUN, _BEGUN_CONSTANTS, _begin),
            "settle": Upsert(database, HOP, _SETTLED, {"publisher": "''"}, _settle),
            "record": Upsert(database, FACT, [column.name for column in FACT.c], {}, _record),
            "keep": Upsert(database, FACT, [column.name for column in FACT.c], {}, _keep),
            "find": Prepared(database.add_missing(TERM), database),
            **{name: Prepared(statement, database) for name, statement in _seldom().items()},
        }


_PUBLISHED = (*_KEY, "state", "publisher", "published_at", "changed_at")
_PUBLISHED_CONSTANTS = {"stage": "''", "attempts": "0", "error": "''"}
_BEGUN = (*_KEY, "published_at", "changed_at", "key_born_at", "holder")
_BEGUN_CONSTANTS = {"state": "'begun'", "publisher": "''", **_PUBLISHED_CONSTANTS}
_SETTLED = (
    *(*_KEY, "state", "published_at", "stage", "attempts"),
    *("changed_at", "next_at", "error", "result", "took", "told"),
)


def _publish(insert: Any) -> Any:
    again = (HOP.c.state == literal_column("'published'")) & (HOP.c.publisher == insert.excluded.publisher)
    return insert.on_conflict_do_update(
        index_elements=_KEY, set_={"published_at": insert.excluded.published_at}, where=again
    )


def _begin(insert: Any) -> Any:
    new = insert.excluded
    changed = {"state": new.state, "holder": new.holder, "changed_at": new.changed_at}
    born = func.coalesce(HOP.c.key_born_at, new.key_born_at)
    return insert.on_conflict_do_update(index_elements=_KEY, set_={**changed, "key_born_at": born})


def _begin_new(insert: Any) -> Any:
    new = insert.excluded
    changed = {name: new[name] for name in ("state", "holder", "changed_at", "key_born_at")}
    is_new = (HOP.c.state == literal_column("'published'")) & HOP.c.key_born_at.is_(None) & HOP.c.result.is_(None)
    return insert.on_conflict_do_update(index_elements=_KEY, set_=changed, where=is_new)


def _settle(insert: Any) -> Any:
    new = insert.excluded
    changed = {name: new[name] for name in ("state", "stage", "attempts", "changed_at", "next_at", "took", "told")}
    why = case((new.error == literal_column("''"), HOP.c.error), else_=new.error)  # it was tried again
    kept = func.coalesce(new.result, HOP.c.result)
    return insert.on_conflict_do_update(index_elements=_KEY, set_={**changed, "error": why, "result": kept})


def _record(insert: Any) -> Any:
    new = insert.excluded
    return insert.on_conflict_do_update(
        index_elements=("journey", "name", "copy"), set_={"value": new.value, "recorded_at": new.recorded_at}
    )


def _keep(insert: Any) -> Any:
    return insert.on_conflict_do_nothing()


def _seldom() -> dict[str, Any]:
    """The statements that concern few messages."""
    the_hop_is = [HOP.c[name] == bindparam(f"the_{name}") for name in _KEY]
    the_hop, mine = update(HOP).where(*the_hop_is), HOP.c.publisher == bindparam("whose")
    held = (HOP.c.state == "begun", HOP.c.holder == bindparam("whose"))
    waits = (HOP.c.journey == bindparam("of"), HOP.c.copy == bindparam("late"), HOP.c.result.is_(None))
    done: dict[str, Any] = {"state": "handled", "changed_at": bindparam("now"), "next_at": None, "error": ""}
    return {
        "withdraw": delete(HOP).where(*the_hop_is, HOP.c.state == "published", mine),
        "release": the_hop.where(*held).values(state="published"),
        "finish": the_hop.values(**done),
        "answer": update(HOP).where(*waits).values(**done, result=NOTHING),
    }


class Prepared:
    """A statement that is compiled once: for each row, SQLAlchemy would do more than the database does."""

    def __init__(self, statement: Any, database: Database) -> None:
        compiled = statement.compile(dialect=database.dialect)
        self._text = str(compiled)
        self._defaults = dict(compiled.params)
        self._names: Sequence[str] | None = compiled.positiontup

    def execute(self, connection: Connection, rows: list[Any]) -> None:
        rows.sort(key=_sort_key)  # as `Upsert` does
        rows = [self._defaults | row for row in rows]  # a constant in the statement is a parameter, too
        values: Any = rows
        if self._names is not None:
            values = list(map(itemgetter(*self._names), rows))
        connection.exec_driver_sql(self._text, values)


class Records:
    """What is to be recorded: rows, each with the name of its statement in `HopStatements`."""

    __slots__ = ("rows",)

    ORDER = ("withdraw", "publish", "begin", "settle", "release", "finish", "answer", "record", "keep", "find")
    """The order in which a hop lives."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, Any]] = []

    def _add(self, name: str, row: Any) -> None:
        self.rows.append((name, row))

    def published(self, key: HopKey, publisher: str, at: float, *, leaves: bool = False) -> None:
        """`publisher` is a stage or an HTTP route. `leaves`: no stage consumes the queue."""
        self._add("publish", (*key.values(), "left" if leaves else "published", publisher, at, at))

    def withdrawn(self, key: HopKey, publisher: str) -> None:
        """`publisher` couldn't publish it, and nobody knows its id."""
        self._add("withdraw", {**_named(key), "whose": publisher})

    def begun(self, key: HopKey, at: float, holder: str) -> None:
        self._add("begin", begun(key, at, holder))

    def settled(self, settled: Settled) -> None:
        key, state, stage, attempts, at, next_at, error, result, took, told = settled
        if error:
            error = storable(error)[:LONGEST_ERROR]
        if told:
            told = storable(told)
        self._add("settle", (*key.values(), state, at, stage, attempts, at, next_at, error, result, took, told))

    def released(self, key: HopKey, holder: str) -> None:
        """It counts as not begun, unless another holder has taken it over."""
        self._add("release", {**_named(key), "whose": holder})

    def finished(self, key: HopKey, at: float) -> None:
        """It has a result, whatever was recorded of it since."""
        self._add("finish", {**_named(key), "now": at})

    def answered(self, id: str, at: float) -> None:
        """A late answer to the message `id` has come: its copy that waits for one is done."""
        self._add("answer", {"of": root_id(id), "late": id + LATE, "now": at})

    def recorded(self, copy: str, name: str, value: str, at: float, *, unless_known: bool = False) -> None:
        """`value` is JSON."""
        self._add("keep" if unless_known else "record", (root_id(copy), name, copy, kept_of_fact(value), at))

    def found_by(self, id: str, terms: Iterable[bytes], at: float) -> None:
        """`terms` are hashes: see `terms`."""
        journey = root_id(id)
        for term in terms:
            self._add("find", {"hash": term, "journey": journey, "at": at})

    def add(self, other: Records) -> None:
        self.rows += other.rows

    def write(self, connection: Connection, statements: HopStatements) -> None:
        together: dict[str, list[Any]] = {name: [] for name in self.ORDER}
        for name, row in self.rows:
            together[name].append(row)
        for name, rows in together.items():
            if rows:
                statements.by_name[name].execute(connection, rows)


def begun(key: HopKey, at: float, holder: str) -> Row:
    """The row by which a hop is begun."""
    return (*key.values(), at, at, at, holder)


def _sort_key(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name in _SORTED)


_SORTED = {"hash", "journey", "late", *(f"the_{name}" for name in _KEY)}


def _named(key: HopKey) -> dict[str, Any]:
    return {f"the_{name}": value for name, value in key.row().items()}


def storable(text: str) -> str:
    """PostgreSQL stores no NUL in a text, and no encoding has lone surrogates."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def kept_of_fact(value: str) -> str:
    """A fact's value as far as it is kept."""
    return storable(value).encode()[:LONGEST_FACT].decode(errors="ignore")
