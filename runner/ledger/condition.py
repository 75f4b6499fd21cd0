"""How a ledger stands, for whoever only looks: nothing is made, and nothing upgraded."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import text

from runner.ledger.database import Database
from runner.ledger.tables import METADATA, VERSION, version_of

_RIGHTS = text(
    "SELECT bool_and(has_table_privilege(to_regclass(name), need)) FROM unnest(CAST(:tables AS text[])) name,"
    " unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) need"
)


@dataclass(frozen=True, slots=True)
class Condition:
    version: str
    """Of its tables; empty: it has none yet."""
    too_new: bool
    """Whether this runner is older than its tables."""
    read_only: bool
    lacks_rights: bool
    """Whether its user may not change all of its tables."""
    time: float | None
    """What its clock says (seconds since 1970), where it has one of its own."""


def condition(url: str) -> Condition:
    """Raises LedgerError."""
    database = Database(url)
    try:
        with database.connection() as connection:
            version, read_only, lacks_rights, now = version_of(connection), False, False, None
            if not database.is_sqlite:
                told = "SELECT current_setting('transaction_read_only'), extract(epoch FROM clock_timestamp())"
                setting, clock = connection.exec_driver_sql(told).one()
                read_only, now = setting == "on", float(clock)
                lacks_rights = connection.execute(_RIGHTS, {"tables": list(METADATA.tables)}).scalar_one() is False
            return Condition(version, bool(version) and int(version) > VERSION, read_only, lacks_rights, now)
    finally:
        database.close()
