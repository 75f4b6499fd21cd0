"""The black box of a run: which messages handlers had begun, where it outlives SIGKILL.

It is shared memory, made before the workers are forked. A slot writes the mark of its message
before it calls the handler. When a worker has died, each worker of the run can tell which of
the messages that come back may have killed it: those that were begun. All others are innocent.
Nothing is known about workers of another run.

Left out: what becomes of suspects and innocent messages, which is up to the brokers.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import tempfile
import time
import weakref
from collections.abc import Iterable
from pathlib import Path

REMEMBERED = 120.0
"""Seconds for which the death of a worker explains why messages come back: they are at the
head of their queue, and the worker's successor takes them in its first second."""
KEPT = 64
"""Marks that are kept of former lives, at least."""
ALONE = 8
"""Suspects in hand that are remembered; usually it is one."""
_HEADER = 5


def mark(queue: str, id: str, attempt: int) -> int:
    """One attempt of a message in 64 bits, the same in all processes of a run."""
    return hash((queue, id, attempt))


class _Ring:
    """The last of many marks; `place` is a word of memory for the next one's place."""

    def __init__(self, place: memoryview, words: memoryview) -> None:
        self._place = place
        self.words = words

    def add(self, mark: int) -> None:
        self.words[self._place[0]] = mark
        self._place[0] = (self._place[0] + 1) % len(self.words)


class _Record:
    """One worker's part of the box, over all of its lives."""

    def __init__(self, words: memoryview, slots: int) -> None:
        self.on_duty, self.returned = words[0:1], words[1:2]
        """Whether somebody is at work, or died at it; when messages came back last (ms, monotonic)."""
        kept = (len(words) - _HEADER - slots - ALONE) // 2
        start = _HEADER + slots
        self.begun = words[_HEADER:start]
        """What each slot began last. It stays until the slot begins another one: a handler may
        kill just after it has returned."""
        self.alone = _Ring(words[2:3], words[start : start + ALONE])
        """Suspects that are in hand and not begun."""
        self.guilty = _Ring(words[3:4], words[start + ALONE : start + ALONE + kept])
        """What was begun when a former life ended."""
        self.acquitted = _Ring(words[4:5], words[start + ALONE + kept :])
        """The suspects that were in hand at such a moment, and not begun."""

    @staticmethod
    def size(slots: int) -> int:
        return _HEADER + slots + ALONE + 2 * max(KEPT, 8 * slots)

    def unbegun(self) -> list[int]:
        return [mark for mark in self.alone.words if mark and mark not in self.begun]

    def bury(self) -> None:
        """Keep what is known of the life that has ended, and make room for the next."""
        for acquitted in self.unbegun():
            self.acquitted.add(acquitted)
        for guilty in filter(None, self.begun.tolist()):
            self.guilty.add(guilty)  # first there, then gone here: others may look at any time
        for words in (self.begun, self.alone.words):
            for place in range(len(words)):
                words[place] = 0


class BlackBox:
    """The records of `workers` processes with `slots` slots each. To be made before they are
    forked; each then calls `enter`, once, with its own number."""

    def __init__(self, workers: int, slots: int) -> None:
        size = _Record.size(slots)
        words = memoryview(mmap.mmap(-1, 8 * size * workers)).cast("q")
        self._records = [_Record(words[n * size : (n + 1) * size], slots) for n in range(workers)]
        self._mine = self._records[0]
        self._locks = _nameless_file()
        weakref.finalize(self, os.close, self._locks)
        """A byte for each worker, locked while it lives. The kernel lets go of it when the process
        dies, before it closes the connection to the broker: that has a higher descriptor."""

    def enter(self, number: int) -> None:
        """This process is the worker `number` from now on."""
        fcntl.lockf(self._locks, fcntl.LOCK_EX, 1, number)
        self._mine = self._records[number]
        if self._mine.on_duty[0]:
            self._mine.bury()
            self.messages_come_back()
        self._mine.on_duty[0] = 1

    def leave(self) -> None:
        """This worker ends in good order: nothing that it had in hand will come back."""
        self._mine.on_duty[0] = 0

    @property
    def begun(self) -> memoryview:
        """A word for each slot of this worker, which writes the mark of what it begins there."""
        return self._mine.begun

    def take_alone(self, mark: int) -> None:
        """A suspect is in hand, and no handler has begun it."""
        self._mine.alone.add(mark)

    def begin_alone(self, mark: int) -> None:
        """A handler begins it now (and its slot has written so)."""
        words = self._mine.alone.words
        for place in range(len(words)):
            if words[place] == mark:
                words[place] = 0

    def messages_come_back(self) -> None:
        """What this worker, or the one before it, had in hand is delivered again from now on."""
        self._mine.returned[0] = _now()

    # -- judging ------------------------------------------------------------------------

    def is_innocent(self, mark: int) -> bool:
        """Whether a message that came back was in the hand of a worker of this run, as far as
        that can be known, and no handler had begun it."""
        if any(mark in record.begun or mark in record.guilty.words for record in self._records):
            return False
        earliest = _now() - int(REMEMBERED * 1000)
        back = any(record.returned[0] > earliest for record in self._records)
        return back or any(True for _ in self._dead())

    def acquittals(self, marks: Iterable[int]) -> int:
        """How often a worker of this run died while a suspect with one of these marks was in
        its hand, and not begun."""
        wanted = set(marks)
        found = [mark for record in self._records for mark in record.acquitted.words]
        found += [mark for record in self._dead() for mark in record.unbegun()]
        return sum(mark in wanted for mark in found)

    def _dead(self) -> Iterable[_Record]:
        """The records of workers that have died and have no successor yet."""
        for number, record in enumerate(self._records):
            if record.on_duty[0] and record is not self._mine and not self._lives(number):
                yield record

    def _lives(self, number: int) -> bool:
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, number)
        except OSError:
            return True
        fcntl.lockf(self._locks, fcntl.LOCK_UN, 1, number)
        return False


def _nameless_file() -> int:
    """The descriptor of a file that goes with the last process that has it open."""
    if hasattr(os, "memfd_create"):  # Linux
        return os.memfd_create("blackbox")  # needs no folder that can be written
    descriptor, path = tempfile.mkstemp()
    Path(path).unlink()
    return descriptor


def _now() -> int:
    """Milliseconds, the same in all processes; never 0, which stands for never."""
    return max(1, int(time.monotonic() * 1000))
