"""A copy of a message on a queue: its states, and the rows that record them.

A copy is *published* before its queue has it, *begun* when a handler may run that runs once,
*waiting* for its next attempt, and in the end *handled* or *dead*; on a queue that no stage
consumes it has *left*. Each is recorded by what identifies the hop, so that recording it again,
after a crash, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from sqlalchemy import Connection, bindparam, case, delete, func, update

from runner.ledger.database import Database, Row
from runner.ledger.tables import FACT, HOP, TERM
from runner.message import LATE, root_id

State = Literal["published", "begun", "waiting", "handled", "left", "dead"]

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

    def row(self) -> Row:
        return {"journey": self.journey, "copy": self.copy, "queue": self.queue, "via": self.via}


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
        settle = database.insert(HOP)
        publish = database.insert(HOP)
        self.publish = publish.on_conflict_do_update(
            index_elements=_KEY,
            set_={"published_at": publish.excluded.published_at},
            where=(HOP.c.state == "published") & (HOP.c.publisher == publish.excluded.publisher),
        )
        begin = database.insert(HOP)
        self.begin = begin.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                "state": "begun",
                "holder": begin.excluded.holder,
                "changed_at": begin.excluded.changed_at,
                "key_born_at": case((HOP.c.key_born_at.is_(None), begin.excluded.key_born_at), else_=HOP.c.key_born_at),
            },
        )
        new = settle.excluded
        changed = {name: new[name] for name in ("state", "stage", "attempts", "changed_at", "next_at", "took", "told")}
        self.settle = settle.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                **changed,
                "error": case((new.error == "", HOP.c.error), else_=new.error),  # why it was tried again
                "result": func.coalesce(new.result, HOP.c.result),
            },
        )
        the_hop_is = [HOP.c[name] == bindparam(f"the_{name}") for name in _KEY]
        the_hop = update(HOP).where(*the_hop_is)
        self.release = the_hop.where(HOP.c.state == "begun", HOP.c.holder == bindparam("whose")).values(
            state="published"
        )
        mine = HOP.c.publisher == bindparam("whose")
        self.withdraw = delete(HOP).where(*the_hop_is, HOP.c.state == "published", mine)
        self.finish = the_hop.values(state="handled", changed_at=bindparam("now"), next_at=None, error="")
        self.answer = (
            update(HOP)
            .where(HOP.c.journey == bindparam("of"), HOP.c.copy == bindparam("late"), HOP.c.result.is_(None))
            .values(state="handled", result=NOTHING, changed_at=bindparam("now"), next_at=None, error="")
        )
        fact = database.insert(FACT)
        self.record = fact.on_conflict_do_update(
            index_elements=("journey", "name", "copy"),
            set_={"value": fact.excluded.value, "recorded_at": fact.excluded.recorded_at},
        )
        self.find = database.add_missing(TERM)
        self.prepared = {name: Prepared(getattr(self, name), database) for name in Records.ORDER}


class Prepared:
    """A statement that is compiled once: for each row, SQLAlchemy would do more than the database does."""

    def __init__(self, statement: Any, database: Database) -> None:
        compiled = statement.compile(dialect=database.dialect)
        self._text = str(compiled)
        self._defaults = dict(compiled.params)
        self._names: Sequence[str] | None = compiled.positiontup

    def execute(self, connection: Connection, rows: Sequence[Row]) -> None:
        if not self._defaults.keys() <= rows[0].keys():  # a constant in the statement is a parameter, too
            rows = [self._defaults | row for row in rows]
        values: Any = rows
        if self._names is not None:
            values = list(map(itemgetter(*self._names), rows))
        connection.exec_driver_sql(self._text, values)


class Records:
    """What is to be recorded, by the name of its statement in `HopStatements`."""

    __slots__ = ("rows",)

    ORDER = ("withdraw", "publish", "begin", "settle", "release", "finish", "answer", "record", "find")
    """The order in which a hop lives."""

    def __init__(self) -> None:
        self.rows: dict[str, list[Row]] = {name: [] for name in self.ORDER}

    def published(self, key: HopKey, publisher: str, at: float, *, leaves: bool = False) -> None:
        """`publisher` is a stage or an HTTP route. `leaves`: no stage consumes the queue."""
        self.rows["publish"].append(_row(key, "left" if leaves else "published", publisher, at))

    def withdrawn(self, key: HopKey, publisher: str) -> None:
        """`publisher` couldn't publish it, and nobody knows its id."""
        self.rows["withdraw"].append({**_named(key), "whose": publisher})

    def begun(self, key: HopKey, at: float, holder: str) -> None:
        self.rows["begin"].append({**_row(key, "begun", "", at), "key_born_at": at, "holder": holder})

    def settled(self, settled: Settled) -> None:
        row = _row(settled.key, settled.state, "", settled.at)
        row.update(
            stage=settled.stage,
            attempts=settled.attempts,
            next_at=settled.next_at,
            error=storable(settled.error)[:LONGEST_ERROR],
            result=settled.result,
            took=settled.took,
            told=storable(settled.told),
        )
        self.rows["settle"].append(row)

    def released(self, key: HopKey, holder: str) -> None:
        """It counts as not begun, unless another holder has taken it over."""
        self.rows["release"].append({**_named(key), "whose": holder})

    def finished(self, key: HopKey, at: float) -> None:
        """It has a result, whatever was recorded of it since."""
        self.rows["finish"].append({**_named(key), "now": at})

    def answered(self, id: str, at: float) -> None:
        """A late answer to the message `id` has come: its copy that waits for one is done."""
        self.rows["answer"].append({"of": root_id(id), "late": id + LATE, "now": at})

    def recorded(self, copy: str, name: str, value: str, at: float) -> None:
        """`value` is JSON."""
        self.rows["record"].append(
            {"journey": root_id(copy), "copy": copy, "name": name, "value": kept_of_fact(value), "recorded_at": at}
        )

    def found_by(self, id: str, terms: Iterable[bytes], at: float) -> None:
        """`terms` are hashes: see `terms`."""
        journey = root_id(id)
        self.rows["find"] += [{"hash": term, "journey": journey, "at": at} for term in terms]

    def add(self, other: Records) -> None:
        for name, rows in other.rows.items():
            self.rows[name] += rows

    def write(self, connection: Connection, statements: HopStatements) -> None:
        for name, rows in self.rows.items():
            if rows:
                # In one order everywhere, so that two processes that write the same rows don't deadlock.
                rows.sort(key=_sort_key)
                statements.prepared[name].execute(connection, rows)


def _sort_key(row: Row) -> tuple[Any, ...]:
    return tuple(value for name, value in row.items() if name in _SORTED)


_SORTED = {"hash", "late", *_KEY, *(f"the_{name}" for name in _KEY), "name"}


def _named(key: HopKey) -> Row:
    return {f"the_{name}": value for name, value in key.row().items()}


def _row(key: HopKey, state: State, publisher: str, at: float) -> Row:
    return {
        **key.row(),
        "state": state,
        "publisher": publisher,
        "published_at": at,
        "stage": "",
        "attempts": 0,
        "changed_at": at,
        "next_at": None,
        "error": "",
        "key_born_at": None,
        "holder": "",
        "result": None,
        "took": None,
        "told": "",
    }


def storable(text: str) -> str:
    """PostgreSQL stores no NUL in a text, and no encoding has lone surrogates."""
    return text.replace("\x00", "\ufffd").encode(errors="replace").decode()


def kept_of_fact(value: str) -> str:
    """A fact's value as far as it is kept."""
    return storable(value).encode()[:LONGEST_FACT].decode(errors="ignore")
