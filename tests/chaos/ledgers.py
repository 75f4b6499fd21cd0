"""What the pipeline remembers in, and what can happen to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Protocol

from bench.postgres_node import PostgresNode
from tests.chaos.house import wait

FILE = "var/ledger.db"


class LedgerGround(Protocol):
    """A database under the pipeline's ledger."""

    @property
    def url(self) -> str:
        """As the pipeline names it."""

    def hit(self, chance: Random) -> str:
        """Do it harm that passes; says in words what."""


class SqliteGround:
    """A file: nothing to kill, but another program may lock it."""

    url = f"sqlite:{FILE}"

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE

    def hit(self, chance: Random) -> str:
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._file, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            wait(chance.uniform(0.5, 3))
        return "another program locks the ledger for a while"


class PostgresGround:
    """A server: killed and started again a little later, or frozen for a while."""

    def __init__(self, node: PostgresNode) -> None:
        self._node = node
        self.url = node.new_database()

    def hit(self, chance: Random) -> str:
        if chance.random() < 1 / 2:
            with self._node.frozen():
                wait(chance.uniform(1, 8))
            return "PostgreSQL was frozen for a while"
        self._node.kill()
        wait(chance.uniform(0, 3))
        self._node.start()
        return "PostgreSQL is killed, and started again"


@contextmanager
def ledger(kind: str, folder: Path) -> Iterator[LedgerGround]:
    """`sqlite` or `postgresql`: everything of it is ended afterwards."""
    if kind == "sqlite":
        yield SqliteGround(folder)
    else:
        with PostgresNode() as node:
            yield PostgresGround(node)
