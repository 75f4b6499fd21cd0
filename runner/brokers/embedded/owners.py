"""The processes that use the broker's file, as rows: what each consumes, and what it has in hand.

What a dead one had in hand waits again, with one death counted against it. Left out: how it shows that a process
is alive (see `presence`).
"""

# ruff: noqa: S608 - what is put into statements here are constants and question marks, never a value
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence

from runner.brokers.embedded.books import PLACES
from runner.brokers.embedded.presence import DeadOwner, Presence
from runner.brokers.embedded.queue import StoredQueue
from runner.message import LARGEST_COUNT


class Owners:
    """We, by the number `number`, and all others. Call its methods inside a transaction, which has loaded `queues`.
    Raises whatever SQLite raises."""

    def __init__(
        self, connection: sqlite3.Connection, presence: Presence, name: str, queues: Mapping[str, StoredQueue]
    ) -> None:
        """Become an owner."""
        self._connection = connection
        self._execute = connection.execute
        self._presence = presence
        self._queues = queues
        self._execute("INSERT OR IGNORE INTO owner (token, name) VALUES (?, ?)", (presence.token, name))
        row = self._execute("SELECT number FROM owner WHERE token = ?", (presence.token,)).fetchone()
        self.number = int(row[0])
        self._tokens: dict[int, str] = {}
        self._consumers: Sequence[tuple[int, int]] = ()

    def load(self, tokens: Iterable[tuple[int, str]], consumers: Sequence[tuple[int, int]]) -> None:
        """As the current transaction sees them: the owners, and of each consumer its queue and its owner."""
        self._tokens = dict(tokens)
        self._consumers = consumers

    @property
    def are_known(self) -> bool:
        """Whether we are still one of them."""
        return self._tokens.get(self.number) == self._presence.token

    def consume(self, queues: Iterable[str], paused: Mapping[str, str] | None = None) -> None:
        """Register as the consumer of exactly these queues, and as paused on those, for a reason each."""
        for table in ("consumer", "pause"):
            self._execute(f"DELETE FROM {table} WHERE owner = ?", (self.number,))
        consumed = [(self._queues[name].number, self.number) for name in queues]
        self._connection.executemany("INSERT INTO consumer VALUES (?, ?)", consumed)
        pauses = [(self._queues[name].number, self.number, why) for name, why in (paused or {}).items()]
        self._connection.executemany("INSERT INTO pause VALUES (?, ?, ?)", pauses)

    def consumers(self, queue: StoredQueue) -> list[str]:
        """The other owners that consume `queue`."""
        others = (owner for number, owner in self._consumers if number == queue.number and owner != self.number)
        return [self._tokens[owner] for owner in others if owner in self._tokens]

    def all_consumers(self) -> set[str]:
        """The other owners that consume anything."""
        return {token for queue in self._queues.values() for token in self.consumers(queue)}

    def others(self) -> Iterator[str]:
        """Every owner except us."""
        return (token for number, token in self._tokens.items() if number != self.number)

    def return_claims_of_the_dead(self) -> list[DeadOwner]:
        """What dead owners held waits again, with one death counted against each message.
        Remove the files of these owners after the commit."""
        found = []
        for number, token in self._tokens.items():
            if number != self.number and (dead := self._presence.seize(token)) is not None:
                self._return_claims(number, crashes=1)
                self._execute("DELETE FROM consumer WHERE owner = ?", (number,))
                self._execute("DELETE FROM owner WHERE number = ?", (number,))
                found.append(dead)
        return found

    def return_own_claims(self) -> None:
        """All that we hold waits again, uncounted."""
        self._return_claims(self.number, crashes=0)

    def leave(self) -> None:
        """Stop being an owner; what we held waits again, uncounted."""
        self.return_own_claims()
        self._execute("DELETE FROM consumer WHERE owner = ?", (self.number,))
        self._execute("DELETE FROM owner WHERE number = ?", (self.number,))

    def _return_claims(self, owner: int, *, crashes: int) -> None:
        held = self._execute(f"SELECT place >> {PLACES}, count(*) FROM taken WHERE owner = ? GROUP BY 1", (owner,))
        counts = dict(held.fetchall())
        for queue in self._queues.values():
            if queue.number in counts:
                queue.wait_again(counts[queue.number])
        self._execute(
            f"UPDATE taken SET owner = NULL, crashes = min(crashes, {LARGEST_COUNT}) + ? WHERE owner = ?",
            (crashes, owner),
        )

    def touch(self) -> None:
        """Write something, to learn whether the disk takes it."""
        self._execute("UPDATE owner SET name = name WHERE number = ?", (self.number,))
