"""What is in the broker's file, for whoever only looks: messages in pages, counts, and who consumes."""

# ruff: noqa: S608 - what is put into statements here are constants and question marks, never a value
from __future__ import annotations

import sqlite3

from runner.brokers.embedded.books import PLACES
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.reading import COLUMNS


class View:
    """Of one owner. Its methods need no transaction. Raises whatever SQLite raises."""

    def __init__(self, connection: sqlite3.Connection, presence: Presence) -> None:
        self._execute = connection.execute
        self._presence = presence

    def end(self, queue: str) -> int:
        """The place of the message that goes on `queue` next; 0: there is no such queue."""
        query = "SELECT coalesce(max(tail), 0) FROM queue WHERE name = ?"
        return int(self._execute(query, (queue,)).fetchone()[0])

    def page(self, queue: str, after: int, most: int, size: int) -> list[tuple[int, int, str, str | None, bytes]]:
        """Place, holders that have died with it, id, headers and payload of up to `most` messages of `queue` behind
        the place `after`, whoever has them in hand; fewer, where those have `size` bytes together."""
        found = self._execute(
            "SELECT place, coalesce((SELECT crashes FROM taken WHERE taken.place = message.place), 0), "
            f"{COLUMNS} FROM message WHERE place > max(?, (SELECT number << {PLACES} FROM queue"
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
            f"SELECT number, due, {COLUMNS} FROM delayed WHERE number > ?"
            " AND queue = (SELECT number FROM queue WHERE name = ?) ORDER BY number LIMIT ?",
            (after, queue, most),
        )
        return _within(size, found)

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
            if token == self._presence.token or self._presence.alive(token):
                found.setdefault(name, []).append(value)
        return found


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
