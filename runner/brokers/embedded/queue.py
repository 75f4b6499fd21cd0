"""A queue as a row of the broker's file: where its messages begin and end, and how many there are.

A message's *place* is its queue's number followed by a number that counts up. The queue's *head* separates
messages that were never taken (from the head on) from those that were, and are in hand or wait again.
"""

from __future__ import annotations

from runner.brokers.embedded.books import PLACES


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

    def wait_again(self, count: int) -> None:
        """So many that were in hand are so no more."""
        self.held -= count
        self.returned += count
        self.changed = True

    def taken_again(self, count: int) -> None:
        """So many that waited again are in hand."""
        self.wait_again(-count)

    def row(self) -> tuple[int | None, ...]:
        empty = not (self.ready or self.held or self.delayed)
        largest = 0 if empty else self.largest
        return self.head, self.tail, self.returned, self.held, self.delayed, self.next_due, largest, self.number
