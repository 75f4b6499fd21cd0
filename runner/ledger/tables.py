"""The tables, and how an older ledger becomes a newer one.

Times are seconds since 1970 (UTC). Bodies stand here only as results of stages with `once`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    insert,
    inspect,
    select,
    update,
)

from runner.errors import LedgerSetupError

VERSION = 3
"""Of the tables below. To change them, raise it and add a step to `upgrade`."""

METADATA = MetaData()

SETTING = Table(
    "setting",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
)

HOP = Table(
    "hop",
    METADATA,
    Column("journey", Text, primary_key=True),
    Column("copy", Text, primary_key=True),
    Column("queue", Text, primary_key=True),
    Column("via", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("publisher", Text, nullable=False),
    Column("published_at", Double, nullable=False),
    Column("stage", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("changed_at", Double, nullable=False),
    Column("next_at", Double),
    Column("error", Text, nullable=False),
    Column("key_born_at", Double),
    Column("holder", Text, nullable=False, server_default=""),
    Column("result", LargeBinary),
    Column("took", Double),
    Column("told", Text, nullable=False, server_default=""),
)
"""One copy of a message on one queue. `journey` is the id that the intake gave it, `copy` its own;
`via` tells apart copies that reached the queue in several ways. `key_born_at` is when a handler
that runs once was first allowed to run, `holder` who allowed it last; `result` is what it led to,
and stays whatever becomes of it then (its publication may be refused). `took` is how long the last
attempt took, and `told` (a JSON object, masked) what its result says for people. Its rows are too large for a
SQLite table without row ids, whose index holds the rows themselves: each write would cost half as much again."""

FACT = Table(
    "fact",
    METADATA,
    Column("journey", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("copy", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("recorded_at", Double, nullable=False),
    Index("fact_found", "name", "value", "recorded_at"),
    sqlite_with_rowid=False,
)
"""What stages record of a message; `value` is JSON."""

TERM = Table(
    "term",
    METADATA,
    Column("hash", LargeBinary, primary_key=True),
    Column("journey", Text, primary_key=True),
    Column("at", Double, nullable=False),
    sqlite_with_rowid=False,
)
"""What messages are found by: keyed hashes, see `terms`."""

REQUEST = Table(
    "request",
    METADATA,
    Column("caller", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("fingerprint", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("answer", LargeBinary),
    Column("busy_until", Double, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""An idempotency key. `answer` is the body of its 202, once it was given."""


API_KEY = Table(
    "api_key",
    METADATA,
    Column("hash", Text, primary_key=True),
    Column("caller", Text, nullable=False),
    Column("created_at", Double, nullable=False),
    Column("expires_at", Double),
    Column("revoked_at", Double),
    Column("used_at", Double),
    sqlite_with_rowid=False,
)
"""A key by which a caller is known. A caller may have several."""

SPENT = Table(
    "spent",
    METADATA,
    Column("route", Text, primary_key=True),
    Column("caller", Text, primary_key=True),
    Column("part", BigInteger, nullable=False),
    Column("counts", LargeBinary, nullable=False),
    Column("expires_at", Double, nullable=False, index=True),
    sqlite_with_rowid=False,
)
"""How many requests of a caller a rate limit has let through lately: see `rates`."""


def version_of(connection: Connection) -> str:
    """Of the tables; empty: there are none yet."""
    if not inspect(connection).has_table(SETTING.name):
        return ""
    query = select(SETTING.c.value).where(SETTING.c.name == "version")
    return connection.execute(query).scalar_one_or_none() or ""


def upgrade(connection: Connection) -> None:
    """Make what is missing. Only one process may be at it at a time.

    Raises LedgerSetupError for a ledger of a newer version of the runner.
    """
    METADATA.create_all(connection, tables=[SETTING])
    query = select(SETTING.c.value).where(SETTING.c.name == "version")
    found = connection.execute(query).scalar_one_or_none()
    if found is None:
        METADATA.create_all(connection)
        connection.execute(insert(SETTING).values(name="version", value=str(VERSION)))
        return
    if int(found) > VERSION:
        raise LedgerSetupError(
            f"the ledger has version {found}, and this runner knows versions up to {VERSION}: update the runner"
        )
    if int(found) == VERSION:
        return
    METADATA.create_all(connection)  # the tables that are new as a whole
    for number in range(int(found) + 1, VERSION + 1):
        for statement in _STEPS[number]:
            connection.exec_driver_sql(statement)
    connection.execute(update(SETTING).where(SETTING.c.name == "version").values(value=str(VERSION)))


_STEPS = {
    2: ["ALTER TABLE hop ADD COLUMN holder TEXT NOT NULL DEFAULT ''"],
    3: [
        "ALTER TABLE hop ADD COLUMN took DOUBLE PRECISION",
        "ALTER TABLE hop ADD COLUMN told TEXT NOT NULL DEFAULT ''",
    ],
}
"""What makes the version of this number of the one before it, besides new tables."""
