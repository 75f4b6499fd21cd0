"""Results from other threads, for those who wait on an event loop.

To wake the loop for each (as `asyncio.wrap_future` does) costs more than the rest of a request. Here one call
tells all that have come together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TypeVar

from runner.intake.promise import Promise

T = TypeVar("T")


class Landing:
    """Of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._landed: deque[asyncio.Future[None]] = deque()
        self._called = False
        """Whether the loop is about to tell them."""

    async def result(self, promise: Promise[T], timeout: float) -> T:
        """Of `promise`, which may be kept on any thread. Raises what it raises, and TimeoutError after
        `timeout` seconds."""
        if not promise.kept:
            waiter: asyncio.Future[None] = self._loop.create_future()
            timer = self._loop.call_later(timeout, _too_late, waiter)
            promise.when_kept(partial(self._land, waiter))
            try:
                await waiter
            finally:
                timer.cancel()
        return promise.result()

    def _land(self, waiter: asyncio.Future[None]) -> None:
        self._landed.append(waiter)
        if not self._called and not self._loop.is_closed():
            self._called = True
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._called = False  # before the first is taken: whoever comes later calls again
        while self._landed:
            waiter = self._landed.popleft()
            if not waiter.done():  # it has not been too long, and its client is still there
                waiter.set_result(None)


def _too_late(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
