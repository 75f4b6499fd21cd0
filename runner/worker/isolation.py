"""Runs one handler alone in this process, so that a death tells which message killed.

For a suspect at its last attempt. Neither its wait for the others nor theirs for it takes
longer than `PATIENCE`: a slow message need not be deadly.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from runner.brokers.base import PATIENCE
from runner.message import Delivery

POLL = 0.002
"""Seconds between looks at whether the others have ended."""
Running = dict[Delivery, int]
"""What handlers of a stage are at work on."""


class Isolation:
    """Shared by all stages of a process, each with the `Running` that it has got by joining."""

    def __init__(self) -> None:
        self.closed = False
        """Whether somebody is, or wants to be, alone. To be looked at after a delivery was put
        among those at work: one of the two then sees the other."""
        self._stages: list[Running] = []
        self._one = threading.Lock()
        self._opened = threading.Event()
        self._until = 0.0
        """When the others go on at the latest (monotonic)."""

    def join(self) -> Running:
        """Where another stage keeps what it is at work on."""
        self._stages.append({})
        return self._stages[-1]

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Begin when nobody else is at work, and keep the others from beginning."""
        if not self._one.acquire(timeout=PATIENCE):
            yield  # the one before it hangs
            return
        self._close()
        try:
            while any(self._stages) and time.monotonic() < self._until:
                time.sleep(POLL)
            yield
        finally:
            self.closed = False
            self._opened.set()
            self._one.release()

    def _close(self) -> None:
        self._until = time.monotonic() + PATIENCE
        self._opened.clear()
        self.closed = True

    def wait(self, running: Running, delivery: Delivery, slot: int) -> None:
        """Put off the work on `delivery`, which is among `running`, while somebody is alone."""
        del running[delivery]
        self._opened.wait(max(0.0, self._until - time.monotonic()))
        running[delivery] = slot
