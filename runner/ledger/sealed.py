"""Which recorded results are sealed with a key: they are published again when their delivery comes again.

Left out: what else a key is needed for (see `commands.keys`).
"""

from __future__ import annotations

from sqlalchemy import Connection, LargeBinary, bindparam, func, select

from runner.ledger.tables import HOP
from runner.privacy.sealed import PREFIX


def count_sealed_with(connection: Connection, key: str, *, is_sqlite: bool) -> int:
    """How many results have a value in them that is sealed with the key of this id. Looks at all of them."""
    sign = bindparam("sign", f"{PREFIX}{key}.".encode(), LargeBinary)
    place = func.instr(HOP.c.result, sign) if is_sqlite else func.position(sign.op("IN")(HOP.c.result))
    query = select(func.count()).select_from(HOP).where(HOP.c.result.is_not(None), place > 0)
    return int(connection.execute(query).scalar_one())
