"""The live stream: the figures that change, to every browser that looks (Server-Sent Events).

They are made once for all who look, and not at all while nobody does. Whoever reads too slowly misses
steps, and gets all figures the next time; whoever reads nothing is let go by the socket (see
`processes.listeners`). Left out: what the figures are.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import orjson

from runner.console.figures import Figures

if TYPE_CHECKING:
    from granian.rsgi import HTTPProtocol

log = logging.getLogger("runner.console")

EVERY = 1.0
"""Seconds between two looks."""
MOST = 100
"""Browsers that look at once."""
RETRY = 2000
"""Milliseconds after which a browser comes again."""


class Live:
    """The stream. All but the constructor only on the event loop."""

    def __init__(self, look: Callable[[], Figures]) -> None:
        """`look` may take a moment: it is called on a thread."""
        self._look = look
        self._figures: Figures = {}
        self._step = 0
        self._change = b""
        """From the step before to this one."""
        self._stepped = asyncio.Condition()
        self._over = False
        self.looking = 0
        """Streams that are open."""
        self._wanted = asyncio.Event()

    @property
    def full(self) -> bool:
        return self.looking >= MOST

    async def keep_looking(self) -> None:
        """Make the figures whenever somebody looks, until `end`."""
        while not self._over:
            await self._wanted.wait()
            try:
                self._tell(await asyncio.to_thread(self._look))
            except Exception:  # else nobody would ever be told anything again
                log.exception("the figures could not be made")
            async with self._stepped:
                self._stepped.notify_all()
            await asyncio.sleep(EVERY)

    async def end(self) -> None:
        """End every stream."""
        self._over = True
        self._wanted.set()
        async with self._stepped:
            self._stepped.notify_all()

    async def stream(
        self, protocol: HTTPProtocol, headers: list[tuple[str, str]], is_known: Callable[[], bool]
    ) -> None:
        """Tell one browser, until it leaves or nobody who may look `is_known` any more. Raises ProtocolClosed."""
        self.looking += 1
        self._wanted.set()
        gone = asyncio.ensure_future(protocol.client_disconnect())
        try:
            transport = protocol.response_stream(200, [("content-type", "text/event-stream"), *headers])
            await transport.send_bytes(b"retry: %d\n\n" % RETRY)
            step, first = self._step, True
            while await self._next(step, gone) and is_known():
                missed, step = self._step - step > 1, self._step
                await transport.send_bytes(_event(self._figures) if first or missed else self._change)
                first = False
        finally:
            gone.cancel()
            self.looking -= 1
            if not self.looking:
                self._wanted.clear()

    async def _next(self, step: int, gone: asyncio.Future[None]) -> bool:
        """Wait for the step after `step`; False: nobody waits for one any more."""
        async with self._stepped:
            await self._stepped.wait_for(lambda: self._over or self._step > step or gone.done())
        return not self._over and not gone.done()

    def _tell(self, figures: Figures) -> None:
        changed = {name: value for name, value in figures.items() if self._figures.get(name) != value}
        self._figures, self._step, self._change = figures, self._step + 1, _event(changed)


def _event(figures: Figures) -> bytes:
    return b"data: " + orjson.dumps(figures) + b"\n\n"
