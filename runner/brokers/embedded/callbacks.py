"""What the broker's thread answers, on the caller's event loop.

Answers that come together share one wake-up, a system call that costs more than the answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque

from runner.brokers.base import Done
from runner.errors import BrokerError


class LoopCallbacks:
    """Calls on `loop` those that wait for an answer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: deque[tuple[Done, BrokerError | None]] = deque()
        self._awake = False

    def tell(self, done: Done, error: BrokerError | None) -> None:
        """Call `done(error)` on the loop, soon. From any thread."""
        self._told.append((done, error))
        if not self._awake:
            self._awake = True
            with contextlib.suppress(RuntimeError):  # the loop has ended, and nothing waits any more
                self._loop.call_soon_threadsafe(self._pass_on)

    def _pass_on(self) -> None:
        self._awake = False  # before the first: answers from here on wake us again
        told = self._told
        while told:
            done, error = told.popleft()
            done(error)
