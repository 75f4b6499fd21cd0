"""What threads ask of the broker's thread, collected until its next turn.

The caller rings the bell if the broker sleeps; otherwise a request takes no lock.
"""

from __future__ import annotations

import json
import os
import select
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from runner.brokers.answer import Answer
from runner.brokers.base import Done
from runner.brokers.embedded.presence import Presence
from runner.brokers.embedded.store import Store
from runner.errors import BrokerUnavailableError
from runner.message import Delivery, Outgoing

T = TypeVar("T")
Parcel = tuple[Outgoing, str | None]
"""A message with its headers as JSON (None: it has none)."""


def packed(messages: Iterable[Outgoing]) -> list[Parcel]:
    """Messages ready to be stored. Raises TypeError for a header that JSON can't hold."""
    return [
        (message, json.dumps(dict(message.headers), separators=(",", ":")) if message.headers else None)
        for message in messages
    ]


class Place(NamedTuple):
    """Where a message lies: among the messages of a queue, or among those that wait until they go to it."""

    queue: str
    number: int
    delayed: bool


class Publication:
    """A call of `submit`. Once it is `given_up`, a turn that has not begun leaves it out. `instead`: it is published
    in place of a message that lies there, or, where that is in somebody's hand, not at all."""

    __slots__ = ("done", "given_up", "instead", "parcels")

    def __init__(self, parcels: list[Parcel], done: Done, instead: Place | None = None) -> None:
        self.parcels = parcels
        self.done = done
        self.instead = instead
        self.given_up = False

    def give_up(self) -> None:
        self.given_up = True


class Question:
    """Something to read from the file, between two transactions."""

    __slots__ = ("answer", "ask")

    def __init__(self, ask: Callable[[Store], None]) -> None:
        self.ask = ask
        self.answer = Answer()


@dataclass(slots=True)
class Work:
    """What one turn has to do."""

    publications: Sequence[Publication] = ()
    settlements: Sequence[tuple[Delivery, list[Parcel]]] = ()
    releases: Sequence[Delivery] = ()

    def __bool__(self) -> bool:
        return bool(self.publications or self.settlements or self.releases)

    @property
    def durable(self) -> bool:
        """Whether a caller relies on it once it is done."""
        return bool(self.publications or self.settlements)


class Inbox:
    """What has been asked for, in order."""

    def __init__(self) -> None:
        self.publications: deque[Publication] = deque()
        self.settlements: deque[tuple[Delivery, list[Parcel]]] = deque()
        self.releases: deque[Delivery] = deque()
        self.questions: deque[Question] = deque()
        self._work = Work()
        """What was collected last."""
        self._stirred = False
        """Whether `wake` was called since the last `collect`."""
        self._asleep = False
        self._presence: Presence | None = None
        self._lock = threading.Lock()
        """Guards the two above: a bell that is closed must not be rung."""

    @property
    def empty(self) -> bool:
        return not (self.publications or self.settlements or self.releases or self.questions)

    @property
    def outgoing(self) -> int:
        """Messages that are not stored yet: that wait for a turn, or are part of the one that runs."""
        publications = [*self._work.publications, *self.publications.copy()]
        settlements = [*self._work.settlements, *self.settlements.copy()]
        return sum(len(one.parcels) for one in publications) + sum(len(results) for _, results in settlements)

    def collect(self) -> Work:
        """Take out what a turn has to do."""
        self._stirred = False
        work = self._work = Work(_drained(self.publications), _drained(self.settlements), _drained(self.releases))
        return work

    def put_back(self, work: Work) -> None:
        """The turn failed: a later one will do what no caller waits for."""
        self.settlements.extendleft(reversed(work.settlements))
        self.releases.extendleft(reversed(work.releases))

    def refuse(self, reason: str) -> None:
        """Tell all waiting callers that the broker is away, and forget the rest."""
        for publication in _drained(self.publications):
            publication.done(BrokerUnavailableError(reason))
        for question in _drained(self.questions):
            question.answer.give(BrokerUnavailableError(reason))
        self.settlements.clear()
        self.releases.clear()

    # -- waking -------------------------------------------------------------------------

    def hang(self, presence: Presence | None) -> None:
        """Ring the bell of `presence` from now on."""
        with self._lock:
            self._presence = presence

    def wake(self) -> None:
        """Something has been put in, or the broker's thread has to look around."""
        self._stirred = True
        if self._asleep:
            with self._lock:
                if self._asleep and self._presence is not None:
                    self._asleep = False
                    os.write(self._presence.bell, b"\0")

    def sleep(self, timeout: float) -> bool:
        """Wait until something is put in or another process rings, for up to `timeout`
        seconds. Returns whether the bell rang."""
        if self._presence is None:
            raise RuntimeError("no bell to wait for")
        bell = self._presence.bell
        self._asleep = True
        if self._stirred:
            timeout = 0.0  # by a caller that could not yet see that we sleep
        poll = select.poll()
        poll.register(bell, select.POLLIN)
        rung = bool(poll.poll(max(0.0, timeout) * 1000))
        self._asleep = False
        if rung:
            os.read(bell, 65_536)
        return rung


def _drained(items: deque[T]) -> list[T]:
    return [items.popleft() for _ in range(len(items))]
