"""Granian, serving the intake: on a socket of ours, with limits on what a client may hold.

HTTP/1.1 only. Granian's time-out for a header starts when a connection opens or its last
request is answered, and so ends idle connections, too; with HTTP/2 it would wait forever for
the first byte, which tells the two apart.

Left out: bodies (see `arrivals`), and the answers when all connections are taken (see `reserve`).
"""

from __future__ import annotations

import asyncio
import logging
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server import MPServer
from granian.server.common import AbstractServer
from werkzeug.wrappers import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.events import Events
from runner.intake.problems import crowded, stuck
from runner.intake.reserve import RESERVED, Reserve, open_files
from runner.intake.rsgi import Application
from runner.pipeline import Http, Tls
from runner.ports import BACKLOG

if TYPE_CHECKING:
    import ssl

    from runner.intake.rotation import Rotation
    from runner.ledger.ledger import Ledger

log = logging.getLogger("runner.intake")

LONGEST_HEADER = 16_384
"""Bytes of a request's line and header; the answer to a longer one is 431."""
OTHER_FILES = 128
"""Open files of the process other than clients' connections."""
SUCCESSOR_TIMEOUT = 30.0
"""Seconds that a process with a new certificate may take until it serves."""
CONNECT_TIMEOUT = 10.0
"""Seconds that it waits for the broker before it serves anyway."""
LOOK_EVERY = 1.0
"""Seconds between looks at the files of a certificate."""
LEAVE = signal.SIGUSR1
"""Tells a process that it has a successor."""
LEAVING_POLL = 0.1
"""Seconds between looks at whether the predecessor, or the last client, is gone."""
ANSWERS_LEAVE = 0.25
"""Seconds for the last answers when the intake stops; then it drops connections that have sent
half a header."""
SILENT = {
    "handlers": {"none": {"class": "logging.NullHandler"}},
    "loggers": {"_granian": {"handlers": ["none"], "propagate": False}},
}
"""What granian logs (its processes, its threads) is no news for our operators."""


class Interrupt:
    """What granian's main thread waits for, instead of an Event of threading's: a signal that comes just when
    it begins to wait would wait for the event's lock, which this very thread holds; or, as Python calls
    a handler only between two of its steps, for the end of the wait. Each signal to this process ends it."""

    def __init__(self, look: Callable[[], bool] | None = None) -> None:
        """`look`, if there is one, is called from time to time: whether to wait no longer."""
        self._look = look
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)

    def set(self) -> None:
        with suppress(BlockingIOError):  # it is full: more than enough to wake up
            os.write(self._write, b"!")

    def wait(self) -> None:
        """Returns after `set()`, once, and perhaps without reason."""
        awaited = select.poll()
        awaited.register(self._read, select.POLLIN)
        every = None if self._look is None else LOOK_EVERY * 1000
        while not awaited.poll(every) and not (self._look is not None and self._look()):
            pass
        self.clear()

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
            **encrypted(http.tls),
            log_dictconfig=SILENT,
        )
        self._listener = listener
        self.ready: int | None = None
        """Where the successor of a process that serves tells that it can; None: it has no predecessor."""
        self._leaves, self.left = os.pipe()
        """Where a process that has a successor tells that it takes no more connections, and where that is read."""
        self._patience = 3 * http.request_timeout + http.confirm_timeout
        """Seconds that a predecessor may take: idle connections, then a header, a body, and an answer."""
        self._tls, self._rotation = http.tls, None if http.tls is None else rotation_of(http.tls, "http: tls", log)
        look = None if self._rotation is None else self._look
        self.main_loop_interrupt = Interrupt(look)  # type: ignore[assignment]  # granian needs no more of one

    def _look(self) -> bool:
        if self._tls is not None and self._rotation is not None and self._rotation.due():
            read_again(self, self._tls)
            self.reload_signal = True
        return self.reload_signal

    def _reload(self, spawn_target: Any, target_loader: Any) -> None:
        """Granian's, but the old process goes when the new one serves, and only then."""
        self.reload_signal = False
        self.main_loop_interrupt.clear()
        read, self.ready = os.pipe()
        old: Any = self.wrks[0]
        new: Any = self._spawn_worker(idx=0, target=spawn_target, callback_loader=target_loader)
        new.start()
        os.close(self.ready)
        self.ready = None
        serves = _told(read, SUCCESSOR_TIMEOUT)
        os.close(read)
        leaving = old if serves else new
        self.wrks[:] = [new if serves else old]
        leaving.interrupt_by_parent = True
        if not serves:
            leaving.kill()
            log.error("http: tls: no process could serve with the new files, and the certificate stays the old one")
            return
        with suppress(ProcessLookupError):
            os.kill(leaving.inner.pid, LEAVE)
        deadline = time.monotonic() + self._patience
        self._see_off(leaving, deadline, lambda: _told(self._leaves, 0.0))
        log.info("http: tls: the new certificate is in use")
        self._see_off(leaving, deadline, lambda: False)
        if leaving.is_alive():
            leaving.terminate()
            leaving.join()

    def _see_off(self, leaving: Any, deadline: float, enough: Callable[[], bool]) -> None:
        """Wait for the end of a process that has a successor, or until it is `enough`."""
        while leaving.is_alive() and not enough() and not self.interrupt_signal and time.monotonic() < deadline:
            leaving.join(LEAVING_POLL)

    def startup(self, spawn_target: Any, target_loader: Any) -> None:
        """Granian's, but what to reload is for the supervisor to say."""
        super().startup(spawn_target, target_loader)  # type: ignore[no-untyped-call]
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(LEAVE, self._pass_on)

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        """The process that serves ends by itself, and then this one."""
        for worker in self.wrks:
            with suppress(ProcessLookupError):
                os.kill(worker.inner.pid, number)

    def _init_shared_socket(self) -> None:
        """Instead of a socket of granian's: that one shares its port with whoever asks, and has
        no limit to how long an answer may lie unread."""
        holder: Any = SocketHolder  # whose types leave its arguments out
        self._shd = holder(self._listener.detach(), False, BACKLOG)
        self._sso = None


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


def leave_socket(listener: socket.socket) -> None:
    """Take nothing more from it in this process, whoever in it may have it: others still do."""
    shared = os.fstat(listener.fileno())
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError):  # the folder itself
            if os.path.samestat(os.fstat(int(path.name)), shared):
                leave_descriptor(int(path.name), listener.family)


def leave_descriptor(descriptor: int, family: int) -> None:
    """Put a socket in its place that nobody connects to."""
    with socket.socket(family, socket.SOCK_STREAM) as nobodys:
        nobodys.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))  # `localhost` may be but one of them
        nobodys.listen(1)
        nobodys.setblocking(False)
        os.dup2(nobodys.fileno(), descriptor)


def clients(port: int) -> int:
    """How many connections to `port` this process has."""
    found = 0
    for path in Path("/dev/fd").iterdir():
        with suppress(OSError), socket.socket(fileno=os.dup(int(path.name))) as connection:
            is_client = connection.family in (socket.AF_INET, socket.AF_INET6) and connection.getpeername()
            found += bool(is_client) and connection.getsockname()[1] == port
    return found


def encrypted(tls: Tls | None) -> dict[str, Any]:
    """Granian's settings for a certificate."""
    if tls is None:
        return {}
    return {"ssl_cert": tls.certificate, "ssl_key": tls.key, "ssl_protocol_min": SSLProtocols.tls12}


def read_again(server: AbstractServer[Any], tls: Tls) -> None:
    """Let the next process or worker of granian have the certificate that is there now: granian has followed
    symbolic links, such as those of certbot and Kubernetes, to the former files. Raises OSError."""
    server.build_ssl_context(tls.certificate, tls.key, None, SSLProtocols.tls12, None, [], client_verify=False)


def rotation_of(tls: Tls, where: str, log: logging.Logger) -> Rotation:
    from runner.intake.rotation import Rotation  # which HTTP without TLS doesn't need

    return Rotation(tls, where, log)


def encrypted_by(tls: Tls) -> ssl.SSLContext:
    from runner.certificates import server_context  # as above

    return server_context(tls)


def _told(read: int, timeout: float) -> bool:
    """Whether anything is written there; not if all who could have ended before."""
    awaited = select.poll()
    awaited.register(read, select.POLLIN)
    return bool(awaited.poll(timeout * 1000)) and bool(os.read(read, 1))


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
