"""How a ledger stands, for whoever only looks: nothing is made, and nothing upgraded."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import inspect, select

from runner.ledger.database import Database
from runner.ledger.tables import SETTING, VERSION


@dataclass(frozen=True, slots=True)
class Condition:
    version: str
    """Of its tables; empty: it has none yet."""
    too_new: bool
    """Whether this runner is older than its tables."""
    read_only: bool
    time: float | None
    """What its clock says (seconds since 1970), where it has one of its own."""


def condition(url: str) -> Condition:
    """Raises LedgerError."""
    database = Database(url)
    try:
        with database.connection() as connection:
            version, read_only, now = "", False, None
            if inspect(connection).has_table(SETTING.name):
                query = select(SETTING.c.value).where(SETTING.c.name == "version")
                version = connection.execute(query).scalar_one_or_none() or ""
            if not database.is_sqlite:
                told = "SELECT current_setting('transaction_read_only'), extract(epoch FROM clock_timestamp())"
                setting, clock = connection.exec_driver_sql(told).one()
                read_only, now = setting == "on", float(clock)
            return Condition(version, bool(version) and int(version) > VERSION, read_only, now)
    finally:
        database.close()
