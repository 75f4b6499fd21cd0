"""Whether the broker is available, and that it is told once when that changes."""

from __future__ import annotations

import threading
from pathlib import Path

from runner.brokers.answer import Answer
from runner.brokers.embedded.file import DiskFullError
from runner.errors import BrokerError, BrokerUnavailableError
from runner.events import Events


class Outage:
    """Of the broker at `path`, told to `events` until `closing`; `opened` was answered if it was available before."""

    def __init__(self, path: Path, events: Events, *, opened: Answer, closing: threading.Event) -> None:
        self.reason: BrokerError | None = BrokerUnavailableError(f"{path}: still being opened")
        """Why the broker isn't available; None: it is."""
        self.is_cramped = False
        """Whether it was told that the disk is full, and not that this is over. Meanwhile the
        broker comes and goes: for small messages there is room, and for large ones there isn't."""
        self._path = path
        self._events = events
        self._opened = opened
        self._closing = closing
        self._told = str(self.reason)
        """What was last told of it."""

    def set(self, reason: BrokerError | None) -> None:
        self.reason = reason
        if self.is_cramped and (reason is None or isinstance(reason, DiskFullError)):
            return  # something small has found room, or something large has not: that is known
        self.is_cramped = isinstance(reason, DiskFullError)
        self._tell(reason)

    def has_room(self) -> None:
        """The disk was full, and isn't any more."""
        self.is_cramped = False
        self._tell(None)

    def _tell(self, reason: BrokerError | None) -> None:
        before, self._told = self._told, str(reason)
        if self._closing.is_set() or before == self._told:
            return
        if reason is not None:
            self._events.disconnected(str(self._path), str(reason), mends=False)
        else:
            self._events.connected(str(self._path), again=self._opened.given)
