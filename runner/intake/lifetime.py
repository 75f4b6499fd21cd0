"""The intake in granian's own process: from the start of its event loop to its end, which a stop or a successor brings.

Left out: the process that forks it (see `serving`), and requests (see `rsgi`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.events import Events
from runner.intake.connections import clients, leave_socket, open_files
from runner.intake.problems import crowded, stuck
from runner.intake.reserve import Reserve
from runner.intake.rotation import encrypted_by
from runner.intake.rsgi import Application
from runner.pipeline import Http, Tls

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

CONNECT_TIMEOUT = 10.0
"""Seconds that it waits for the broker before it serves anyway."""
LEAVE = signal.SIGUSR1
"""Tells a process that it has a successor."""
LEAVING_POLL = 0.1
"""Seconds between looks at whether the predecessor, or the last client, is gone."""
ANSWERS_LEAVE = 0.25
"""Seconds for the last answers when the intake stops; then it drops connections that have sent
half a header."""


class ServedApplication(Application):
    """The intake in granian's own process, from the start of its event loop to its end.

    `start_broker(loop)` is called on another thread as soon as the loop is there. `follows`: another
    process serves meanwhile.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        broker: Broker,
        events: Events,
        listener: socket.socket,
        connections: int,
        start_broker: Callable[[asyncio.AbstractEventLoop], None],
        ledger: Ledger | None = None,
        *,
        follows: bool = False,
    ) -> None:
        super().__init__(loaded, broker, events, ledger)
        self._follows = follows
        self.ready: int | None = None
        """Where a predecessor in the same child waits to be told that this one can serve."""
        self._following: asyncio.Future[None] | None = None
        http = loaded.pipeline.http or Http()
        self._tls, self._idle = http.tls, http.request_timeout
        self._listener = listener
        self._connections = connections
        self._start_broker = start_broker
        self._ledger = ledger
        self._ending: asyncio.Task[None] | None = None
        self.at_end: list[Callable[[], None]] = []
        """Called on a thread, in their order, when all else has ended."""
        self._going: asyncio.Task[None] | None = None
        self.on_leave: Callable[[], None] = lambda: None
        """Called when it takes no more connections, for it has a successor."""

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__rsgi_init__(loop)
        loop.add_signal_handler(signal.SIGTERM, self._begin_to_end)
        loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])
        loop.add_signal_handler(LEAVE, self._begin_to_leave)
        keep_reserve(self, self._listener, self._connections, self._tls)
        if self._follows:
            loop.run_until_complete(self._follow(loop))
        else:
            threading.Thread(target=self._start_broker, args=(loop,), name="broker-start", daemon=True).start()

    async def _follow(self, loop: asyncio.AbstractEventLoop) -> None:
        """Serve only when requests can be accepted, for the predecessor still can. Later than
        that, while the broker is away, neither can."""
        starting = asyncio.ensure_future(asyncio.to_thread(self._start_broker, loop))
        await asyncio.wait([starting], timeout=CONNECT_TIMEOUT)
        self._following = starting
        if self.ready is not None:
            os.write(self.ready, b"!")

    def _begin_to_end(self) -> None:
        """On SIGTERM, instead of granian, which would wait for what clients have begun to send."""
        if self._ending is None:
            signal.raise_signal(signal.SIGINT)  # this signal is granian's: it takes no more connections
            self._ending = self._loop.create_task(self._end())

    def _begin_to_leave(self) -> None:
        """A successor serves. Granian would break off handshakes and idle connections, in which a request may be
        on its way. So it is told when the last connection has ended; each answer asks for that."""
        port = self._listener.getsockname()[1]
        leave_socket(self._listener)
        self.close_connections()
        self.on_leave()
        self._going = self._loop.create_task(self._go(port, self._loop.time() + self._idle))

    async def _go(self, port: int, deadline: float) -> None:
        while (self.busy or clients(port)) and self._loop.time() < deadline:
            await asyncio.sleep(LEAVING_POLL)
        signal.raise_signal(signal.SIGINT)

    async def _end(self) -> None:
        await self.stop()
        await asyncio.sleep(ANSWERS_LEAVE)
        await self._leave()

    async def _leave(self) -> None:
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)
        await asyncio.to_thread(self._broker.close)
        for last in self.at_end:
            await asyncio.to_thread(last)
        os._exit(0)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Granian ended by itself: no request was left half sent."""
        super().__rsgi_del__(loop)
        loop.run_until_complete(self._leave())


def keep_reserve(application: Application, listener: socket.socket, connections: int, tls: Tls | None = None) -> None:
    """Answer on `listener` while granian already serves as many `connections` as it may."""
    others = open_files()

    def answer(method: str, path: str) -> Response:
        view = application.health.views.get(path) if method in ("GET", "HEAD") else None
        if view is None:
            return crowded(connections)
        return view() if application.turns() else stuck()

    context = None if tls is None else encrypted_by(tls)
    Reserve(listener, answer, lambda: open_files() - others >= connections, context).start()
