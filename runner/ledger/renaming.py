"""Copies on a queue that was renamed: they are known under its new name.

So a message that was begun, or is done, under the former name is not handled once more. The ledger keeps the former
name, too: recorded results of other stages say where they go. To be called while nobody
handles any, and before a message gets to the new queue. Left out: the messages themselves (see `brokers`).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, and_, delete, exists, select, update

from runner.ledger.database import Database
from runner.ledger.hops import HopKey
from runner.ledger.once import opened_result, sealed_result
from runner.ledger.tables import HOP, SETTING
from runner.ledger.url import path_of
from runner.privacy.sealing import Sealer

PAGE = 500
"""Results that are in memory at a time."""
_FORMER = "renamed: "
"""Before the former name of a queue, as the name of a setting; its value is the name of today."""


def rename(url: str, former: str, queue: str, sealer: Sealer | None) -> None:
    """In the ledger at `url`. A copy that is known under both names stays as it is. Killed at any moment, it goes on
    when it is called again. Raises LedgerError, and KeysError if a result can't be opened."""
    path = path_of(url)
    if path is not None and not path.exists():
        return
    database = Database(url)
    try:
        database.upgrade()
        with database.transaction() as connection:
            _remember(connection, database, former, queue)
            connection.execute(update(HOP).where(_known(former, queue), HOP.c.result.is_(None)).values(queue=queue))
        more = True
        while more:
            with database.transaction() as connection:
                more = _rename_results(connection, former, queue, sealer)
    finally:
        database.close()


def names_of_today(connection: Connection) -> dict[str, str]:
    """Those of all queues that were renamed, by each of their former names."""
    found = connection.execute(select(SETTING).where(SETTING.c.name.startswith(_FORMER)))
    return {row.name.removeprefix(_FORMER): row.value for row in found}


def _remember(connection: Connection, database: Database, former: str, queue: str) -> None:
    """Also for what was once renamed to `former`."""
    is_former = SETTING.c.name.startswith(_FORMER)
    connection.execute(update(SETTING).where(is_former, SETTING.c.value == former).values(value=queue))
    connection.execute(delete(SETTING).where(SETTING.c.name.in_([_FORMER + former, _FORMER + queue])))
    connection.execute(database.add_missing(SETTING), [{"name": _FORMER + former, "value": queue}])


def _known(former: str, queue: str) -> Any:
    """Under the former name alone."""
    new = HOP.alias()
    same = [new.c[name] == HOP.c[name] for name in ("journey", "copy", "via")]
    return and_(HOP.c.queue == former, ~exists().where(new.c.queue == queue, *same))


def _rename_results(connection: Connection, former: str, queue: str, sealer: Sealer | None) -> bool:
    """Those of a page. Whether there were any."""
    found = select(HOP.c.copy, HOP.c.via, HOP.c.result).where(_known(former, queue), HOP.c.result.is_not(None))
    rows = connection.execute(found.limit(PAGE)).all()
    for copy, via, result in rows:
        key, new = HopKey(copy, former, via), HopKey(copy, queue, via)
        values = {"queue": queue, "result": _resealed(bytes(result), key, new, sealer)}
        connection.execute(
            update(HOP).where(*(HOP.c[name] == value for name, value in key.row().items())).values(values)
        )
    return bool(rows)


def _resealed(result: bytes, key: HopKey, new: HopKey, sealer: Sealer | None) -> bytes:
    """The queue's name is part of what a sealed result is sealed for."""
    opened = opened_result(result, key, sealer)
    return result if opened is result or sealer is None else sealed_result(opened, new, sealer)
