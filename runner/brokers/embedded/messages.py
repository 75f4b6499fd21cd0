"""Messages as rows: stored, delayed, taken in hand and settled.

A row in `taken` says which owner has a message in hand, or that it waits again. So publishing writes one row and
taking another small one, however many are waiting.

Each statement works on many messages: Python releases its global lock at every step of
SQLite, and busy handlers would make the broker wait for it each time.
"""

# ruff: noqa: S608 - what is put into statements here are constants and question marks, never a value
from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Sequence
from itertools import chain
from typing import Any

from runner.brokers.embedded.books import LONGEST_WAIT
from runner.brokers.embedded.queue import StoredQueue
from runner.brokers.embedded.reading import COLUMNS, Taken, surely_usable, unpacked
from runner.message import is_usable, new_id

CLAIM_BYTES = 64 * 1024 * 1024
"""About how much payload to load into memory at once; a single message may be larger."""
DUE_AT_ONCE = 1000
"""Delayed messages that come due in one transaction."""

_SIZES = [2**power for power in reversed(range(9))]
_INSERT = {n: f"INSERT INTO message VALUES {','.join(['(?,?,?,?)'] * n)}" for n in _SIZES}
_DELAY = {
    n: f"INSERT INTO delayed (queue, due, wait, id, headers, payload) VALUES {','.join(['(?,?,?,?,?,?)'] * n)}"
    for n in _SIZES
}
_PACKED = """
SELECT json_group_array(json_array(place, id, headers, crashes, length(payload))),
       CAST(group_concat(payload, '') AS BLOB)
FROM ({})
"""
_TAKE_FRESH = _PACKED.format(
    f"SELECT place, {COLUMNS}, 0 AS crashes FROM message WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?"
)
_TAKE_RETURNED = _PACKED.format(
    f"SELECT place, {COLUMNS}, CAST(crashes AS INTEGER) AS crashes FROM message JOIN taken USING (place)"
    " WHERE place IN (SELECT value FROM json_each(?))"
)


def is_due(due: object, now: int) -> bool:
    """Whether the time has come (both in milliseconds), or can't be right: no delay is that long."""
    return not isinstance(due, int) or not now < due <= now + LONGEST_WAIT


class Messages:
    """Those of the broker's file, for the owner of the number `owner`. Call its methods inside a transaction. Raises
    whatever SQLite raises."""

    def __init__(self, connection: sqlite3.Connection, owner: int) -> None:
        self._execute = connection.execute
        self._owner = owner

    # -- In -------------------------------------------------------------------------------

    def insert(self, rows: Sequence[tuple[int, str, str | None, bytes]]) -> None:
        """Store messages: (place, id, headers, payload), with places from `StoredQueue.add`."""
        self._in_bulk(_INSERT, rows)

    def delay(self, rows: Sequence[tuple[int, int, int, str, str | None, bytes]]) -> None:
        """Keep messages until they are due: (queue's number, due, wait, id, headers, payload), each
        registered by `StoredQueue.add_delayed`. They get their places then."""
        self._in_bulk(_DELAY, rows)

    def _in_bulk(self, statements: dict[int, str], rows: Sequence[tuple[Any, ...]]) -> None:
        start = 0
        for size, statement in statements.items():
            while len(rows) - start >= size:
                self._execute(statement, list(chain.from_iterable(rows[start : start + size])))
                start += size

    def come_due(self, queue: StoredQueue) -> bool:
        """Put the delayed messages that are due at the tail of `queue`. Returns whether there were any."""
        now = int(time.time() * 1000)
        if queue.next_due is None or not is_due(queue.next_due, now):
            return False
        first = (
            "FROM (SELECT * FROM delayed WHERE queue = ? AND due <= ?"
            " UNION ALL SELECT * FROM delayed WHERE queue = ? AND due > ?) ORDER BY due, number LIMIT ?"
        )
        which = (queue.number, now, queue.number, now + LONGEST_WAIT, DUE_AT_ONCE)
        count = self._execute(
            "INSERT INTO message SELECT ? - 1 + row_number() OVER (ORDER BY due, number), id, headers, payload"
            f" FROM (SELECT * {first})",
            (queue.tail, *which),
        ).rowcount
        self._execute(f"DELETE FROM delayed WHERE number IN (SELECT number {first})", which)
        query = "SELECT min(due) FROM delayed WHERE queue = ?"
        queue.next_due = self._execute(query, (queue.number,)).fetchone()[0]
        queue.tail += count
        queue.delayed -= count
        queue.changed = True
        return True

    # -- Out ------------------------------------------------------------------------------

    def take(self, queue: StoredQueue, room: int, *, suspect: bool) -> list[Taken]:
        """Take up to `room` messages in hand: first those that wait again, then fresh ones.

        At most one of them is a suspect, a message whose holder died, and only if `suspect`
        allows it.
        """
        try:
            taken = self._take(queue, min(room, max(1, CLAIM_BYTES // max(1, queue.largest))), suspect=suspect)
        except sqlite3.DataError:  # together they are more than SQLite can hold: the largest is larger than we knew
            taken = self._take(queue, 1, suspect=suspect)
            queue.largest = max(queue.largest, *(len(message.payload) for message in taken), CLAIM_BYTES)
        if taken and not surely_usable([message.id for message in taken]):
            return [self._named(message) for message in taken]
        return taken

    def _take(self, queue: StoredQueue, room: int, *, suspect: bool) -> list[Taken]:
        taken: list[Taken] = []
        if queue.returned:
            places = self._waiting_again(queue, "crashes > 0", 1) if suspect else []
            places += self._waiting_again(queue, "crashes = 0", room - len(places))
            taken = self._take_returned(queue, places)
        if room > len(taken) and queue.head < queue.tail:
            taken += self._take_fresh(queue, room - len(taken))
        return taken

    def _named(self, message: Taken) -> Taken:
        """With a usable id; a new one has to survive crashes."""
        if is_usable(message.id):
            return message
        named = message._replace(id=new_id())
        self._execute("UPDATE message SET id = ? WHERE place = ?", (named.id, named.place))
        return named

    def suspects(self, queue: StoredQueue, count: int) -> list[tuple[int, str, str | None]]:
        """Place, id and headers of up to `count` messages whose holder died once."""
        found = self._execute(
            f"SELECT json_group_array(json_array(place, id, headers)) FROM (SELECT place, {COLUMNS} FROM message"
            " JOIN taken USING (place)"
            " WHERE owner IS NULL AND crashes > 0 AND crashes < 2 AND place BETWEEN ? AND ? ORDER BY place LIMIT ?)",
            (queue.first, queue.head, count),
        ).fetchone()[0]
        suspects: list[tuple[int, str, str | None]] = json.loads(found)
        return suspects

    def mark_innocent(self, places: Sequence[int]) -> None:
        """These messages had nothing to do with their holder's death."""
        chosen = "(SELECT value FROM json_each(?))"
        self._execute(f"UPDATE taken SET crashes = 0 WHERE place IN {chosen}", (json.dumps(places),))

    def _waiting_again(self, queue: StoredQueue, which: str, count: int) -> list[int]:
        found = self._execute(
            "SELECT json_group_array(place) FROM (SELECT place FROM taken"
            f" WHERE owner IS NULL AND {which} AND place BETWEEN ? AND ? ORDER BY place LIMIT ?)",
            (queue.first, queue.head, count),
        ).fetchone()[0]
        places: list[int] = json.loads(found)
        return places

    def _take_returned(self, queue: StoredQueue, places: list[int]) -> list[Taken]:
        if not places:
            return []
        chosen = json.dumps(places)
        taken = sorted(unpacked(self._execute(_TAKE_RETURNED, (chosen,)).fetchone()))
        self._execute(
            "UPDATE taken SET owner = ? WHERE place IN (SELECT value FROM json_each(?))", (self._owner, chosen)
        )
        queue.taken_again(len(places))
        return taken

    def _take_fresh(self, queue: StoredQueue, room: int) -> list[Taken]:
        taken = list(unpacked(self._execute(_TAKE_FRESH, (queue.head, queue.tail - 1, room)).fetchone()))
        if not taken:  # another program has taken them away
            queue.head, queue.changed = queue.tail, True
            return []
        last = taken[-1].place
        self._execute(
            "INSERT INTO taken SELECT place, ?, 0 FROM message WHERE place BETWEEN ? AND ?",
            (self._owner, queue.head, last),
        )
        queue.head = last + 1
        queue.held += len(taken)
        queue.changed = True
        return taken

    def claim(self, queue: StoredQueue, place: int) -> bool:
        """Take the message at `place` in hand, and no other; those before it wait again where they are.
        False: it is gone, or somebody has it."""
        if place >= queue.head:
            passed = self._execute(
                "INSERT INTO taken SELECT place, NULL, 0 FROM message WHERE place BETWEEN ? AND ?", (queue.head, place)
            ).rowcount
            queue.head, queue.returned, queue.changed = place + 1, queue.returned + passed, True
        mine = "UPDATE taken SET owner = ? WHERE place = ? AND owner IS NULL"
        if not self._execute(mine, (self._owner, place)).rowcount:
            return False
        queue.taken_again(1)
        return True

    def remove(self, queue: StoredQueue, places: list[int]) -> None:
        """Delete messages that we had in hand: they are settled."""
        places.sort()
        first, last = places[0], places[-1]
        for table in ("message", "taken"):
            if last - first + 1 == len(places):
                self._execute(f"DELETE FROM {table} WHERE place BETWEEN ? AND ?", (first, last))
            else:
                chosen = "(SELECT value FROM json_each(?))"
                self._execute(f"DELETE FROM {table} WHERE place IN {chosen}", (json.dumps(places),))
        queue.held -= len(places)
        queue.changed = True

    def release(self, queue: StoredQueue, places: list[int]) -> None:
        """Messages that we had in hand wait again at their place, uncounted."""
        chosen = "(SELECT value FROM json_each(?))"
        self._execute(f"UPDATE taken SET owner = NULL WHERE place IN {chosen}", (json.dumps(places),))
        queue.wait_again(len(places))

    def remove_delayed(self, queue: StoredQueue, number: int) -> bool:
        """Delete one that is delayed. False: it has come due, or is gone."""
        mine = "DELETE FROM delayed WHERE number = ? AND queue = ?"
        if not self._execute(mine, (number, queue.number)).rowcount:
            return False
        queue.delayed -= 1
        queue.next_due = self._execute("SELECT min(due) FROM delayed WHERE queue = ?", (queue.number,)).fetchone()[0]
        queue.changed = True
        return True
