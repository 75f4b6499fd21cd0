"""Messages and queues as rows: what can be done in one transaction on the broker's file.

Every message has a *place*: its queue's number followed by a number that counts up.
A queue's head separates messages that were never taken (from the head on) from those that
were: a row in `taken` says which owner has such a message in hand, or that it waits again. So
publishing writes one row and taking another small one, however many are waiting.

Each statement works on many messages: Python releases its global lock at every step of
SQLite, and busy handlers would make the broker wait for it each time. Knows SQL, and nothing
about threads.
"""

# ruff: noqa: S608 - what is put into statements here are constants and question marks, never a value
from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from runner.brokers.embedded.books import LONGEST_WAIT, PLACES, set_right
from runner.brokers.embedded.file import empty_log, open_file, shrink
from runner.brokers.embedded.presence import Grave, Presence
from runner.brokers.embedded.reading import Taken, surely_usable, unpacked
from runner.message import LARGEST_COUNT, is_usable, new_id
from runner.paths import identity
from runner.topology import Topology

CLAIM_BYTES = 64 * 1024 * 1024
"""About how much payload to load into memory at once; a single message may be larger."""
ROOM = 1024 * 1024
"""Bytes for which a disk that isn't full has room."""
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
_MESSAGE = """
CAST(id AS TEXT) AS id, CAST(headers AS TEXT) AS headers, CAST(coalesce(payload, '') AS BLOB) AS payload
"""
"""SQLite keeps a value of any type in any column. What isn't text is no JSON, and a text's
length is one of characters."""
_TAKE_FRESH = _PACKED.format(
    f"SELECT place, {_MESSAGE}, 0 AS crashes FROM message WHERE place BETWEEN ? AND ? ORDER BY place LIMIT ?"
)
_TAKE_RETURNED = _PACKED.format(
    f"SELECT place, {_MESSAGE}, CAST(crashes AS INTEGER) AS crashes FROM message JOIN taken USING (place)"
    " WHERE place IN (SELECT value FROM json_each(?))"
)
_LOAD = """
SELECT
  (SELECT json_group_array(json_array(number, CAST(name AS TEXT), CAST(max_length AS INTEGER), CAST(head AS INTEGER),
     CAST(tail AS INTEGER), CAST(returned AS INTEGER), CAST(held AS INTEGER), CAST(delayed AS INTEGER),
     CAST(next_due AS INTEGER), CAST(largest AS INTEGER)))
   FROM queue),
  (SELECT json_group_array(json_array(number, CAST(token AS TEXT))) FROM owner),
  (SELECT json_group_array(json_array(CAST(queue AS INTEGER), CAST(owner AS INTEGER))) FROM consumer)
"""
"""JSON holds no bytes, which may stand in any column, too."""
_SAVE = """
UPDATE queue SET head = ?, tail = ?, returned = ?, held = ?, delayed = ?, next_due = ?, largest = ? WHERE number = ?
"""


def is_due(due: object, now: int) -> bool:
    """Whether the time has come (both in milliseconds), or can't be right: no delay is that long."""
    return not isinstance(due, int) or not now < due <= now + LONGEST_WAIT


class StoredQueue:
    """A queue's row, as the current transaction sees and changes it."""

    __slots__ = (
        "changed",
        "delayed",
        "head",
        "held",
        "largest",
        "max_length",
        "name",
        "next_due",
        "number",
        "returned",
        "tail",
    )

    def __init__(self, name: str) -> None:
        self.name = name

    def load(
        self,
        number: int,
        max_length: int | None,
        head: int,
        tail: int,
        returned: int,
        held: int,
        delayed: int,
        next_due: int | None,
        largest: int,
    ) -> None:
        self.number, self.max_length = number, max_length
        self.head, self.tail = head, tail
        self.returned, self.held, self.delayed = returned, held, delayed
        self.next_due, self.largest = next_due, largest
        self.changed = False

    @property
    def ready(self) -> int:
        return self.tail - self.head + self.returned

    @property
    def first(self) -> int:
        """The lowest place that a message of this queue may have."""
        return self.number << PLACES

    def add(self, size: int) -> int:
        """The place of a message of `size` bytes that goes on the queue."""
        place = self.tail
        self.tail = place + 1
        self.changed = True
        if size > self.largest:
            self.largest = size
        return place

    def add_delayed(self, size: int, due: int) -> None:
        """A message of `size` bytes will be put on the queue when it is due."""
        self.delayed += 1
        self.next_due = due if self.next_due is None else min(due, self.next_due)
        self.largest = max(self.largest, size)
        self.changed = True

    def row(self) -> tuple[int | None, ...]:
        empty = not (self.ready or self.held or self.delayed)
        largest = 0 if empty else self.largest
        return self.head, self.tail, self.returned, self.held, self.delayed, self.next_due, largest, self.number


class ReplacedError(Exception):
    """The file is no longer the one that was opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: was removed or replaced while it was in use; stop every runner that uses it, and start again"
        )


class DeclaredDeadError(Exception):
    """Another process couldn't see our lock, and returned what we held."""


class Store:
    """The broker's file, opened by one owner. Call every method except `begin` and the last four
    inside a transaction. Raises whatever SQLite raises."""

    def __init__(self, path: Path, presence: Presence, name: str) -> None:
        self._path = path
        self.presence = presence
        with presence.writing():
            self._connection = open_file(path)
            self._execute = self._connection.execute
            set_right(self._connection)
            self.identity = identity(path)
            self._durable = True
            self._owner = self._register(name)
        self.queues: dict[str, StoredQueue] = {}
        self._numbers: dict[int, StoredQueue] = {}
        self._owners: dict[int, str] = {}
        self._consumers: list[tuple[int, int]] = []

    def _register(self, name: str) -> int:
        """Become an owner; what we held in an earlier session waits again, uncounted."""
        self._execute("INSERT OR IGNORE INTO owner (token, name) VALUES (?, ?)", (self.presence.token, name))
        row = self._execute("SELECT number FROM owner WHERE token = ?", (self.presence.token,)).fetchone()
        return int(row[0])

    # -- A transaction ------------------------------------------------------------------

    def begin(self, *, durable: bool) -> None:
        """Begin to write, alone. A power failure (and nothing less) may undo what isn't
        `durable`, whole and in order. Raises ReplacedError and DeclaredDeadError; call
        `rollback` if it fails."""
        if identity(self._path) != self.identity:
            raise ReplacedError(self._path)
        self.presence.lock()
        if durable != self._durable:
            self._execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._durable = durable
        self._execute("BEGIN IMMEDIATE")
        self._load()

    def commit(self) -> None:
        changed = [queue.row() for queue in self.queues.values() if queue.changed]
        if changed:
            self._connection.executemany(_SAVE, changed)
        self._execute("COMMIT")
        self.presence.unlock()

    def rollback(self) -> None:
        try:
            if self._connection.in_transaction:
                self._execute("ROLLBACK")
        finally:
            self.presence.unlock()

    def _load(self) -> None:
        queues, owners, consumers = self._execute(_LOAD).fetchone()
        for number, name, *rest in json.loads(queues):
            queue = self.queues.get(name)
            if queue is None:
                queue = self.queues[name] = self._numbers[number] = StoredQueue(name)
            queue.load(number, *rest)
        self._owners = dict(json.loads(owners))
        self._consumers = json.loads(consumers)
        if self._owners.get(self._owner) != self.presence.token:
            raise DeclaredDeadError(f"{self._path}: another process took this one for dead")

    # -- Queues and owners --------------------------------------------------------------

    def declare(self, topology: Topology) -> None:
        """Create the queues that hold messages; delays and quarantine need none."""
        for planned in topology.queues:
            if planned.kind not in ("work", "dead"):
                continue
            if planned.name in self.queues:
                self._execute("UPDATE queue SET max_length = ? WHERE name = ?", (planned.max_length, planned.name))
            else:
                number = 1 + max((queue.number for queue in self.queues.values()), default=0)
                first = number << PLACES
                self._execute(
                    "INSERT INTO queue (number, name, max_length, head, tail) VALUES (?, ?, ?, ?, ?)",
                    (number, planned.name, planned.max_length, first, first),
                )
            self._load()

    def take_over(self, queue: StoredQueue, former: StoredQueue) -> int:
        """Put all that is on `former`, of which nobody has anything in hand, at the tail of `queue`, and delete it.
        Returns how many messages that were. Call `set_right` afterwards: they aren't counted yet."""
        begins = former.first if former.returned else former.head  # no gap: it would be counted
        by = queue.tail - begins
        for table in ("taken", "message"):
            shifted = f"UPDATE {table} SET place = place + ? WHERE place BETWEEN ? AND ?"
            self._execute(shifted, (by, former.first, former.tail - 1))
        self._execute("UPDATE delayed SET queue = ? WHERE queue = ?", (queue.number, former.number))
        for table in ("consumer", "pause"):
            self._execute(f"DELETE FROM {table} WHERE queue = ?", (former.number,))
        self._execute("DELETE FROM queue WHERE number = ?", (former.number,))
        del self.queues[former.name], self._numbers[former.number]
        queue.largest, queue.changed = max(queue.largest, former.largest), True
        return former.ready + former.delayed

    def consume(self, queues: Iterable[str], paused: Mapping[str, str] | None = None) -> None:
        """Register as the consumer of exactly these queues, and as paused on those, for a reason each."""
        for table in ("consumer", "pause"):
            self._execute(f"DELETE FROM {table} WHERE owner = ?", (self._owner,))
        consumed = [(self.queues[name].number, self._owner) for name in queues]
        self._connection.executemany("INSERT INTO consumer VALUES (?, ?)", consumed)
        pauses = [(self.queues[name].number, self._owner, why) for name, why in (paused or {}).items()]
        self._connection.executemany("INSERT INTO pause VALUES (?, ?, ?)", pauses)

    def consumers(self, queue: StoredQueue) -> list[str]:
        """The other owners that consume `queue`."""
        others = (owner for number, owner in self._consumers if number == queue.number and owner != self._owner)
        return [self._owners[owner] for owner in others if owner in self._owners]

    def all_consumers(self) -> set[str]:
        """The other owners that consume anything."""
        return {token for queue in self.queues.values() for token in self.consumers(queue)}

    def owners(self) -> Iterator[str]:
        """Every owner except us."""
        return (token for number, token in self._owners.items() if number != self._owner)

    def return_claims_of_the_dead(self) -> list[Grave]:
        """What dead owners held waits again, with one death counted against each message.
        Bury the graves after the commit."""
        graves = []
        for number, token in self._owners.items():
            if number != self._owner and (grave := self.presence.seize(token)) is not None:
                self._return_claims(number, crashes=1)
                self._execute("DELETE FROM consumer WHERE owner = ?", (number,))
                self._execute("DELETE FROM owner WHERE number = ?", (number,))
                graves.append(grave)
        return graves

    def return_own_claims(self) -> None:
        """All that we hold waits again, uncounted."""
        self._return_claims(self._owner, crashes=0)

    def leave(self) -> None:
        """Stop being an owner; what we held waits again, uncounted."""
        self.return_own_claims()
        self._execute("DELETE FROM consumer WHERE owner = ?", (self._owner,))
        self._execute("DELETE FROM owner WHERE number = ?", (self._owner,))

    def _return_claims(self, owner: int, *, crashes: int) -> None:
        held = self._execute(f"SELECT place >> {PLACES}, count(*) FROM taken WHERE owner = ? GROUP BY 1", (owner,))
        for number, count in held.fetchall():
            if number in self._numbers:
                self._wait_again(self._numbers[number], count)
        self._execute(
            f"UPDATE taken SET owner = NULL, crashes = min(crashes, {LARGEST_COUNT}) + ? WHERE owner = ?",
            (crashes, owner),
        )

    @staticmethod
    def _wait_again(queue: StoredQueue, count: int) -> None:
        queue.held -= count
        queue.returned += count
        queue.changed = True

    # -- Messages in --------------------------------------------------------------------

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

    # -- Messages out -------------------------------------------------------------------

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
            f"SELECT json_group_array(json_array(place, id, headers)) FROM (SELECT place, {_MESSAGE} FROM message"
            " JOIN taken USING (place)"
            " WHERE owner IS NULL AND crashes > 0 AND crashes < 2 AND place BETWEEN ? AND ? ORDER BY place LIMIT ?)",
            (queue.first, queue.head, count),
        ).fetchone()[0]
        suspects: list[tuple[int, str, str | None]] = json.loads(found)
        return suspects

    def absolve(self, places: Sequence[int]) -> None:
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
        queue.returned -= len(places)
        queue.held += len(places)
        queue.changed = True
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
        queue.returned -= 1
        queue.held += 1
        queue.changed = True
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
        self._wait_again(queue, len(places))

    def touch(self) -> None:
        """Write something, to learn whether the disk takes it."""
        self._execute("UPDATE owner SET name = name WHERE number = ?", (self._owner,))

    # -- Outside of a transaction -------------------------------------------------------

    def set_right(self) -> None:
        """Correct the counts, and what is due, as at the start."""
        with self.presence.writing():
            set_right(self._connection)

    def prove_room(self) -> None:
        """Write enough to show that the disk isn't full. Raises SQLite's error if it is."""
        with self.presence.writing():
            name = self._execute("SELECT name FROM owner WHERE number = ?", (self._owner,)).fetchone()
            try:
                self._execute("UPDATE owner SET name = zeroblob(?) WHERE number = ?", (ROOM, self._owner))
            finally:
                self._execute("UPDATE owner SET name = ? WHERE number = ?", (*name, self._owner))

    def end(self, queue: str) -> int:
        """The place of the message that goes on `queue` next; 0: there is no such queue."""
        query = "SELECT coalesce(max(tail), 0) FROM queue WHERE name = ?"
        return int(self._execute(query, (queue,)).fetchone()[0])

    def page(self, queue: str, after: int, most: int, size: int) -> list[tuple[int, int, str, str | None, bytes]]:
        """Place, holders that have died with it, id, headers and payload of up to `most` messages of `queue` behind
        the place `after`, whoever has them in hand; fewer, where those have `size` bytes together."""
        found = self._execute(
            "SELECT place, coalesce((SELECT crashes FROM taken WHERE taken.place = message.place), 0), "
            f"{_MESSAGE} FROM message WHERE place > max(?, (SELECT number << {PLACES} FROM queue"
            f" WHERE name = ?) - 1) AND place < (SELECT number + 1 << {PLACES} FROM queue WHERE name = ?)"
            " ORDER BY place LIMIT ?",
            (after, queue, queue, most),
        )
        return _within(size, found)

    def page_delayed(
        self, queue: str, after: int, most: int, size: int
    ) -> list[tuple[int, int, str, str | None, bytes]]:
        """The same of those that are delayed, by number; each with when it is due (milliseconds)."""
        found = self._execute(
            f"SELECT number, due, {_MESSAGE} FROM delayed WHERE number > ?"
            " AND queue = (SELECT number FROM queue WHERE name = ?) ORDER BY number LIMIT ?",
            (after, queue, most),
        )
        return _within(size, found)

    def remove_delayed(self, queue: StoredQueue, number: int) -> bool:
        """Delete one that is delayed. False: it has come due, or is gone."""
        mine = "DELETE FROM delayed WHERE number = ? AND queue = ?"
        if not self._execute(mine, (number, queue.number)).rowcount:
            return False
        queue.delayed -= 1
        queue.next_due = self._execute("SELECT min(due) FROM delayed WHERE queue = ?", (queue.number,)).fetchone()[0]
        queue.changed = True
        return True

    def depths(self) -> dict[str, tuple[int, int, int]]:
        """Every queue's messages that are ready, in hand and delayed."""
        rows = self._execute("SELECT name, tail - head + returned, held, delayed FROM queue").fetchall()
        return {name: (ready, held, delayed) for name, ready, held, delayed in rows}

    def consumer_counts(self) -> dict[str, int]:
        """How many living owners consume each queue."""
        return {queue: len(owners) for queue, owners in self._by_queue("consumer", "owner.token").items()}

    def pauses(self) -> dict[str, list[str]]:
        """Why living owners are paused on each queue: a reason for each of them."""
        return self._by_queue("pause", "listed.reason")

    def _by_queue(self, table: str, column: str) -> dict[str, list[str]]:
        """The values of living owners."""
        found: dict[str, list[str]] = {}
        rows = self._execute(
            f"SELECT queue.name, owner.token, {column} FROM {table} AS listed"
            " JOIN owner ON owner.number = listed.owner JOIN queue ON queue.number = listed.queue"
        ).fetchall()
        for name, token, value in rows:
            if token == self.presence.token or self.presence.alive(token):
                found.setdefault(name, []).append(value)
        return found

    def shrink(self, pages: int) -> bool:
        """Give free pages back to the file system. Returns whether there were any."""
        with self.presence.writing():
            return shrink(self._connection, pages)

    def empty_log(self) -> None:
        """Leave nothing of what was deleted."""
        with self.presence.writing():
            empty_log(self._path, self._connection)

    def close(self) -> None:
        self._connection.close()


def _within(size: int, found: sqlite3.Cursor) -> list[tuple[int, int, str, str | None, bytes]]:
    """The first rows, up to the one with which their payloads have `size` bytes together."""
    rows: list[tuple[int, int, str, str | None, bytes]] = []
    for row in found:
        rows.append(row)
        size -= len(row[4])
        if size <= 0:
            break
    found.close()
    return rows
