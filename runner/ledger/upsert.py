"""An INSERT of many rows in one statement.

Row by row, SQLite's driver lets go of Python's lock for each, which hands it to whoever computes,
and PostgreSQL's sends messages for each. In one statement the database works beside Python.
SQLite gets the rows as parameters; PostgreSQL, for which parameters are dear, as one JSON text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import Column, ColumnElement, Connection, Table, Text, bindparam, cast, func, literal_column, select
from sqlalchemy.types import LargeBinary

from runner.ledger.database import Database, run

SIZES = (512, 256, 128, 64, 32)
"""Rows of one statement on SQLite; what is left over gets one of its own. To prepare a statement costs more for each
row than to run it, so they stay prepared: see `database.STATEMENTS`. After each, Python's lock has to be waited for
again: hence few."""
Row = tuple[Any, ...]


class Upsert:
    """Inserts rows into `table`: the values of `columns`, and beside them `constants` (SQL). The first columns are
    the table's primary key. `on_conflict` says what happens to a row that is there; it has no parameters."""

    def __init__(
        self,
        database: Database,
        table: Table,
        columns: Sequence[str],
        constants: Mapping[str, str],
        on_conflict: Callable[[Any], Any],
    ) -> None:
        self._key = itemgetter(*range(len(table.primary_key)))
        self._is_sqlite = database.is_sqlite
        statement = database.insert(table)
        fixed: dict[str, Any] = {name: literal_column(sql) for name, sql in constants.items()}
        if self._is_sqlite:
            statement = statement.values({**{name: bindparam(name) for name in columns}, **fixed})
        else:
            from sqlalchemy.dialects.postgresql import JSONB

            source = func.jsonb_array_elements(bindparam("rows").cast(JSONB)).column_valued("one")
            given = [_taken(source, place, table.c[name]) for place, name in enumerate(columns)]
            statement = statement.from_select([*columns, *fixed], select(*given, *fixed.values()))
        self._texts: dict[int, str] = {}
        compiled = on_conflict(statement).compile(dialect=database.dialect)
        self._text = str(compiled)
        if self._is_sqlite:
            assert list(compiled.positiontup) == list(columns), "columns stand in the order of the table"
            self._head, self._group, self._tail = _split(self._text)
            self._texts = {size: self._repeated(size) for size in SIZES}

    def execute(self, connection: Connection, rows: list[Row]) -> int:
        """How many rows were inserted or changed. Sorts `rows`: where two processes write the same ones in one
        order, they don't deadlock."""
        if self._is_sqlite:
            parts = _parts(rows)
            return sum(run(connection, self._repeated(len(p)), tuple(chain.from_iterable(p))) for p in parts)
        rows.sort(key=self._key)
        rounds = ({"rows": orjson.dumps(part, default=bytes.decode).decode()} for part in self._rounds(rows))
        return sum(run(connection, self._text, values) for values in rounds)

    def _repeated(self, times: int) -> str:
        return self._texts.get(times) or f"{self._head}{', '.join([self._group] * times)}{self._tail}"

    def _rounds(self, rows: list[Row]) -> Iterator[list[Row]]:
        """PostgreSQL refuses to change a row twice in one statement."""
        while rows:
            first = {self._key(row): row for row in reversed(rows)}
            if len(first) == len(rows):
                yield rows
                return
            chosen = list(reversed(first.values()))
            yield chosen
            taken = {id(row) for row in chosen}
            rows = [row for row in rows if id(row) not in taken]


def _parts(rows: list[Row]) -> Iterator[list[Row]]:
    """In few statements, most of which are prepared already."""
    start = 0
    for size in SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
    if start < len(rows):
        yield rows[start:]


def _taken(row: ColumnElement[Any], place: int, column: Column[Any]) -> ColumnElement[Any]:
    """The value of a column, out of a row of JSON."""
    value = row.op("->>")(literal_column(str(place)))
    if isinstance(column.type, LargeBinary):
        return func.convert_to(value, literal_column("'UTF8'"))
    return value if isinstance(column.type, Text) else cast(value, column.type)


def _split(text: str) -> tuple[str, str, str]:
    """An INSERT before, in and after the values of its one row."""
    found = re.fullmatch(r"(.* VALUES )(\([^()]*\))(.*)", text, re.DOTALL)
    assert found is not None, text
    return found[1], found[2], found[3]
