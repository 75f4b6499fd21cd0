"""Results from other threads, for those who wait on an event loop.

`asyncio.wrap_future` wakes the loop for each, and makes three futures of one: that costs more than
the rest of a request. Here one call tells all that have come together.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Future
from functools import partial
from typing import Any, TypeVar

T = TypeVar("T")


class Landing:
    """Of one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._landed: deque[tuple[asyncio.Future[Any], Future[Any]]] = deque()
        self._called = False
        """Whether the loop is about to tell them."""

    async def result(self, future: Future[T], timeout: float) -> T:
        """Of `future`, which may end on any thread. Raises what it raises, and TimeoutError after
        `timeout` seconds."""
        if future.done():
            return future.result()
        waiter: asyncio.Future[T] = self._loop.create_future()
        timer = self._loop.call_later(timeout, _too_late, waiter)
        future.add_done_callback(partial(self._land, waiter))
        try:
            return await waiter
        finally:
            timer.cancel()

    def _land(self, waiter: asyncio.Future[T], future: Future[T]) -> None:
        self._landed.append((waiter, future))
        if not self._called and not self._loop.is_closed():
            self._called = True
            self._loop.call_soon_threadsafe(self._tell)

    def _tell(self) -> None:
        self._called = False  # before the first is taken: whoever comes later calls again
        while self._landed:
            waiter, future = self._landed.popleft()
            if waiter.done():  # it has been too long, or its client has gone
                continue
            if (error := future.exception()) is None:
                waiter.set_result(future.result())
            else:
                waiter.set_exception(error)


def _too_late(waiter: asyncio.Future[Any]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())
