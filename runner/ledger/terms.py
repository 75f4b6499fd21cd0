"""What a message is found by: keyed hashes of values, since the values themselves name people.

A hash tells nothing without its key, which is derived from the keys that seal; only where the
pipeline has none, from a secret in the ledger itself. Upper and lower case are one, and so are
`<id@host>` and `id@host`. Left out: which values those are (`find` in the file).
"""

from __future__ import annotations

import hmac
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, delete, exists, select, tuple_

from runner.ledger.tables import HOP, TERM
from runner.privacy.hashing import hash_keys
from runner.privacy.sealed import looks_sealed
from runner.privacy.sealing import Sealer

SIZE = 16
"""Bytes of a hash that are kept."""
LONGEST = 500
"""Characters of a value that a message can be found by."""
MOST = 20
"""Values of one message at one place."""
STEP = 500
"""Rows that are looked at in one transaction when it is forgotten."""
_PURPOSE = "what messages are found by"


class Hasher:
    """Hashes with the keys of `sealer`; without one, with `secret`."""

    def __init__(self, sealer: Sealer | None, secret: bytes) -> None:
        self._sealer = sealer
        self._secret = secret

    def terms(self, values: Iterable[str]) -> list[bytes]:
        """What is kept of `values`. Raises KeysError."""
        key = self._keys()[0]
        return [_hash(key, value) for value in values]

    def candidates(self, value: str) -> list[bytes]:
        """What may have been kept of `value`, by an older key as well. Raises KeysError."""
        return [_hash(key, value) for key in self._keys()]

    def _keys(self) -> Sequence[bytes]:
        return hash_keys(_PURPOSE, self._sealer, self._secret)


def _hash(key: bytes, value: str) -> bytes:
    return hmac.digest(key, _normal(value).encode(errors="replace"), "sha256")[:SIZE]


def _normal(value: str) -> str:
    return unicodedata.normalize("NFC", value).strip().removeprefix("<").removesuffix(">").casefold()


def values_at(body: Any, fields: Iterable[str]) -> Iterator[tuple[str, str]]:
    """The texts and numbers in `body` that `fields` lead to, each with its field: `charge.id`, through
    lists as well. What is sealed is left out."""
    for field in fields:
        for value in _reached(body, field.split(".")):
            text = value if isinstance(value, str) else str(value)
            if 0 < len(text) <= LONGEST and not looks_sealed(text):
                yield field, text


def _reached(value: Any, steps: Sequence[str]) -> Iterator[str | int | float]:
    if isinstance(value, list):
        for item in value[:MOST]:
            yield from _reached(item, steps)
    elif steps and isinstance(value, dict):
        yield from _reached(value.get(steps[0]), steps[1:])
    elif not steps and isinstance(value, (str, int, float)) and not isinstance(value, bool):
        yield value


def find_terms(connection: Connection, hashes: Sequence[bytes], since: float, most: int) -> list[tuple[str, float]]:
    """The ids of messages with one of these hashes, each with the time; the newest first, at most `most`."""
    query = (
        select(TERM.c.journey, TERM.c.at)
        .where(TERM.c.hash.in_(hashes), TERM.c.at >= since)
        .order_by(TERM.c.at.desc())
        .limit(most)
    )
    return [(row.journey, row.at) for row in connection.execute(query)]


Cursor = tuple[bytes, str]
TOP: Cursor = (b"", "")


def purge_terms(connection: Connection, after: Cursor) -> Cursor:
    """Look at the next rows, and forget those of messages that are forgotten. Returns where to go on."""
    key = tuple_(TERM.c.hash, TERM.c.journey)
    query = select(TERM.c.hash, TERM.c.journey).where(key > after).order_by(TERM.c.hash, TERM.c.journey).limit(STEP)
    rows = [(bytes(row.hash), row.journey) for row in connection.execute(query)]
    if not rows:
        return TOP
    known = exists().where(HOP.c.journey == TERM.c.journey)
    connection.execute(delete(TERM).where(key > after, key <= rows[-1], ~known))
    return rows[-1]
