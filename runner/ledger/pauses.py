"""Stages that an operator has paused: for all their workers, on every machine, until somebody resumes them.

Left out: pausing them (see `worker.held`). What a stage itself asks for, or its circuit breaker,
concerns one worker and stands nowhere.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import NamedTuple

import orjson
from sqlalchemy import delete, select

from runner.ledger.database import Database
from runner.ledger.tables import SETTING

PREFIX = "pause:"
"""Of the settings that say so."""


class Pause(NamedTuple):
    """That of one stage."""

    why: str
    who: str
    at: float
    """Seconds since 1970."""

    def __str__(self) -> str:
        """What follows `paused`."""
        return f"by {self.who}" + (f": {self.why}" if self.why else "")


class Pauses:
    """All of them. The methods raise LedgerError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def all(self) -> Mapping[str, Pause]:
        """By the stage's name."""
        query = select(SETTING.c.name, SETTING.c.value).where(SETTING.c.name.startswith(PREFIX, autoescape=True))
        with self._database.connection() as connection:
            rows = [(str(name), str(value)) for name, value in connection.execute(query)]
        return {name.removeprefix(PREFIX): Pause(*orjson.loads(value)) for name, value in rows}

    def put(self, stage: str, why: str, who: str) -> bool:
        """Pause a stage. False: it is paused already, and stays so for the first reason."""
        row = {"name": PREFIX + stage, "value": orjson.dumps([*Pause(why, who, time.time())]).decode()}
        kept = select(SETTING.c.value).where(SETTING.c.name == row["name"])
        with self._database.transaction(prompt=True) as connection:
            connection.execute(self._database.add_missing(SETTING), [row])
            return bool(connection.execute(kept).scalar_one() == row["value"])

    def remove(self, stage: str) -> bool:
        """Resume a stage. False: nobody has paused it."""
        gone = delete(SETTING).where(SETTING.c.name == PREFIX + stage)
        with self._database.transaction(prompt=True) as connection:
            return connection.execute(gone).rowcount == 1
