"""The broker's file, for one owner: its transactions, and its queues.

Left out: the messages in it (see `messages`), its owners (see `owners`), and who only looks (see `view`). Together
they know SQL, and nothing of threads.
"""

# ruff: noqa: S608 - what is put into statements here are constants and question marks, never a value
from __future__ import annotations

import json
from pathlib import Path

from runner.brokers.embedded.books import PLACES, set_right
from runner.brokers.embedded.file import empty_log, open_file, shrink
from runner.brokers.embedded.messages import Messages
from runner.brokers.embedded.owners import Owners
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.queue import StoredQueue
from runner.brokers.embedded.view import View
from runner.paths import identity
from runner.topology import Topology

ROOM = 1024 * 1024
"""Bytes for which a disk that isn't full has room."""
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


class ReplacedError(Exception):
    """The file is no longer the one that was opened."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: was removed or replaced while it was in use; stop every runner that uses it, and start again"
        )


class DeclaredDeadError(Exception):
    """Another process couldn't see our lock, and returned what we held."""


class Store:
    """The file, opened. Call `declare` and `take_over` inside a transaction. Raises whatever SQLite raises."""

    def __init__(self, path: Path, presence: Presence, name: str) -> None:
        self._path = path
        self.presence = presence
        with presence.writing():
            self._connection = open_file(path)
            self._execute = self._connection.execute
            set_right(self._connection)
            self.identity = identity(path)
            self._durable = True
            self.queues: dict[str, StoredQueue] = {}
            self.owners = Owners(self._connection, presence, name, self.queues)
        self.messages = Messages(self._connection, self.owners.number)
        self.view = View(self._connection, presence)

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
                queue = self.queues[name] = StoredQueue(name)
            queue.load(number, *rest)
        self.owners.load(json.loads(owners), json.loads(consumers))
        if not self.owners.are_known:
            raise DeclaredDeadError(f"{self._path}: another process took this one for dead")

    # -- Queues --------------------------------------------------------------------------

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
        del self.queues[former.name]
        queue.largest, queue.changed = max(queue.largest, former.largest), True
        return former.ready + former.delayed

    # -- Outside of a transaction -------------------------------------------------------

    def set_right(self) -> None:
        """Correct the counts, and what is due, as at the start."""
        with self.presence.writing():
            set_right(self._connection)

    def prove_room(self) -> None:
        """Write enough to show that the disk isn't full. Raises SQLite's error if it is."""
        with self.presence.writing():
            name = self._execute("SELECT name FROM owner WHERE number = ?", (self.owners.number,)).fetchone()
            try:
                self._execute("UPDATE owner SET name = zeroblob(?) WHERE number = ?", (ROOM, self.owners.number))
            finally:
                self._execute("UPDATE owner SET name = ? WHERE number = ?", (*name, self.owners.number))

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
