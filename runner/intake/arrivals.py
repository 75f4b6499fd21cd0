"""How a body comes in: not too large, not too many at once, not too slowly, and not at all once we stop.

Left out: the header, for which the server has a limit and a time-out (see `serving`).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from runner.intake.problems import TurnedAway, overfull, problem, slow, stopping, too_large

if TYPE_CHECKING:
    from flask import Response
    from granian.rsgi import HTTPProtocol

    from runner.pipeline import Http

TICKS = 10
"""Looks at the bodies that are still coming in, within the time that each of them has."""


class Arrivals:
    """The bodies that are still coming in, on one event loop.

    One timer watches all of them: a timer for each would cost every request two more calls.
    """

    def __init__(self, http: Http, loop: asyncio.AbstractEventLoop) -> None:
        self._http = http
        self._loop = loop
        self._began: dict[asyncio.Task[object] | None, int] = {}
        """The tick at which each began, the oldest first."""
        self._tick = 0
        self._stopping = False
        self.held = 0
        """Bytes of all bodies that are coming in, and of those that are here; who gets one subtracts it in the end."""
        self._look()

    async def body(self, length: str, protocol: HTTPProtocol) -> bytes:
        """A body of `length` bytes, as the server has read it in the header; empty where the
        body comes in chunks, or there is none. Raises TurnedAway where it is too large, or too much
        is held already (without reading the rest of it), it is cut short, takes too long, or we stop."""
        if self._stopping:
            raise TurnedAway(stopping())
        size = int(length) if length else 0
        if size > self._http.max_body:
            raise TurnedAway(too_large(self._http))
        if self.held + size > self._http.max_bodies:
            raise TurnedAway(overfull(self._http))
        self.held += size
        task = asyncio.current_task()
        self._began[task] = self._tick
        try:
            body = await (protocol() if length else self._chunks(protocol))
            if length and len(body) != size:
                raise TurnedAway(problem(400, f"the body has {len(body)} bytes, and not {length} as its header says"))
        except asyncio.CancelledError:
            self.held -= size
            raise TurnedAway(stopping() if self._stopping else slow(self._http)) from None
        except BaseException:
            self.held -= size
            raise
        finally:
            del self._began[task]
        return body

    async def _chunks(self, protocol: HTTPProtocol) -> bytes:
        chunks, received = [], 0
        try:
            async for chunk in protocol:
                received += len(chunk)
                self.held += len(chunk)
                if received > self._http.max_body:
                    raise TurnedAway(too_large(self._http))
                if self.held > self._http.max_bodies:
                    raise TurnedAway(overfull(self._http))
                chunks.append(chunk)
        except BaseException:
            self.held -= received
            raise
        return b"".join(chunks)

    async def discard(self, protocol: HTTPProtocol, answered: Response) -> None:
        """Read what is left of a body that is `answered` already, for as long as a body may
        take. A client that sends all of it before it reads would otherwise find its connection
        reset, and never see the answer. After an answer that ends the connection, don't."""
        if self._stopping or "Connection" in answered.headers:
            return
        task = asyncio.current_task()
        self._began[task] = self._tick
        try:
            async for _ in protocol:
                pass
        except asyncio.CancelledError:
            return
        finally:
            del self._began[task]

    def drop(self) -> None:
        """Stop waiting for bodies."""
        self._stopping = True
        for task in self._began:
            _cancel(task)

    def _look(self) -> None:
        self._tick += 1
        for task, began in self._began.items():
            if self._tick - began <= TICKS:
                break
            _cancel(task)
        self._loop.call_later(self._http.request_timeout / TICKS, self._look)


def _cancel(task: asyncio.Task[object] | None) -> None:
    assert task is not None  # granian runs each request as a task
    task.cancel()
