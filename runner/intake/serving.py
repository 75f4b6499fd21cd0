"""Granian, serving the intake: on a socket of ours, with limits on what a client may hold.

HTTP/1.1 only. Granian's time-out for a header starts when a connection opens or its last
request is answered, and so ends idle connections, too; with HTTP/2 it would wait forever for
the first byte, which tells the two apart.

Left out: bodies (see `arrivals`), and the answers when all connections are taken (see `reserve`).
"""

from __future__ import annotations

import asyncio
import os
import resource
import select
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server import MPServer
from werkzeug.wrappers import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.events import Events
from runner.intake.problems import crowded, stuck
from runner.intake.reserve import RESERVED, Reserve, open_files
from runner.intake.rsgi import Application
from runner.pipeline import Http

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

BACKLOG = 1024
"""Connections that may wait to be accepted."""
LONGEST_HEADER = 16_384
"""Bytes of a request's line and header; the answer to a longer one is 431."""
OTHER_FILES = 128
"""Open files of the process other than clients' connections."""
ANSWERS_LEAVE = 0.25
"""Seconds for the last answers when the intake stops; then it drops connections that have sent
half a header."""
SILENT = {
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"_granian": {"handlers": ["none"], "propagate": False}},
}
"""What granian logs (its processes, its threads) is no news for our operators."""


class Interrupt:
    """What granian's main thread waits for, instead of an Event of threading's: a signal that comes
    just when it begins to wait would wait for the event's lock, which this very thread holds."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)

    def set(self) -> None:
        with suppress(BlockingIOError):  # it is full: more than enough to wake up
            os.write(self._write, b"!")

    def wait(self) -> None:
        awaited = select.poll()
        awaited.register(self._read, select.POLLIN)
        awaited.poll()

    def clear(self) -> None:
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass


class IntakeServer(MPServer):
    """Granian, with the app in a process that it forks, on a socket that already listens."""

    def __init__(self, http: Http, listener: socket.socket, connections: int) -> None:
        super().__init__(
            "runner.intake",
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            http1_settings=HTTP1Settings(
                header_read_timeout=round(http.request_timeout * 1000), max_buffer_size=LONGEST_HEADER
            ),
            backpressure=connections,
            websockets=False,
            log_dictconfig=SILENT,
        )
        self._listener = listener
        self.main_loop_interrupt = Interrupt()  # type: ignore[assignment]  # granian needs no more of one

    def _init_shared_socket(self) -> None:
        """Instead of a socket of granian's: that one shares its port with whoever asks, and has
        no limit to how long an answer may lie unread."""
        holder: Any = SocketHolder  # whose types leave its arguments out
        self._shd = holder(self._listener.detach(), False, BACKLOG)
        self._sso = None


class ServedApplication(Application):
    """The intake in granian's own process, from the start of its event loop to its end.

    `start_broker(loop)` is called on another thread as soon as the loop is there.
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
    ) -> None:
        super().__init__(loaded, broker, events, ledger)
        self._listener = listener
        self._connections = connections
        self._start_broker = start_broker
        self._ledger = ledger
        self._ending: asyncio.Task[None] | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__rsgi_init__(loop)
        loop.add_signal_handler(signal.SIGTERM, self._begin_to_end)
        loop.call_soon(signal.pthread_sigmask, signal.SIG_UNBLOCK, [signal.SIGTERM])
        keep_reserve(self, self._listener, self._connections)
        threading.Thread(target=self._start_broker, args=(loop,), name="broker-start", daemon=True).start()

    def _begin_to_end(self) -> None:
        """On SIGTERM, instead of granian, which would wait for what clients have begun to send."""
        if self._ending is None:
            signal.raise_signal(signal.SIGINT)  # this signal is granian's: it takes no more connections
            self._ending = self._loop.create_task(self._end())

    async def _end(self) -> None:
        await self.stop()
        await asyncio.sleep(ANSWERS_LEAVE)
        await self._leave()

    async def _leave(self) -> None:
        if self._ledger is not None:
            await asyncio.to_thread(self._ledger.close)
        await asyncio.to_thread(self._broker.close)
        os._exit(0)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Granian ended by itself: no request was left half sent."""
        super().__rsgi_del__(loop)
        loop.run_until_complete(self._leave())


def keep_reserve(application: Application, listener: socket.socket, connections: int) -> None:
    """Answer on `listener` while granian already serves as many `connections` as it may."""
    others = open_files()

    def answer(method: str, path: str) -> Response:
        view = application.health.views.get(path) if method in ("GET", "HEAD") else None
        if view is None:
            return crowded(connections)
        return view() if application.turns() else stuck()

    Reserve(listener, answer, lambda: open_files() - others >= connections).start()


def connections_for(wanted: int) -> int:
    """How many connections this process has room for, at most `wanted`. Raises its limit of open
    files as far as allowed."""
    others = RESERVED + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = wanted + others if hard == resource.RLIM_INFINITY else min(wanted + others, hard)
    if soft != resource.RLIM_INFINITY and limit > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
        soft = limit
    room = wanted if soft == resource.RLIM_INFINITY else soft - others
    return max(1, min(wanted, room))
