"""Granian, serving the intake: on a socket of ours, with limits on what a client may hold.

HTTP/1.1 only. Granian's time-out for a header starts when a connection opens or its last
request is answered, and so ends idle connections, too; with HTTP/2 it would wait forever for
the first byte, which tells the two apart.

Left out: bodies (see `arrivals`), and the answers when all connections are taken (see `reserve`).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.net import SocketHolder
from granian.server import MPServer

from runner.intake.lifetime import LEAVE, LEAVING_POLL
from runner.intake.rotation import LOOK_EVERY, Rotation, encrypted, read_again
from runner.pipeline import Http
from runner.ports import BACKLOG

log = logging.getLogger("runner.intake")

LONGEST_HEADER = 16_384
"""Bytes of a request's line and header; the answer to a longer one is 431."""
SUCCESSOR_TIMEOUT = 30.0
"""Seconds that a process with a new certificate may take until it serves."""
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
        self._tls, self._rotation = http.tls, None if http.tls is None else Rotation(http.tls, "http: tls", log)
        look = None if self._rotation is None else self._look
        self.main_loop_interrupt = Interrupt(look)  # type: ignore[assignment]  # granian needs no more of one

    def _look(self) -> bool:
        if self._tls is not None and self._rotation is not None:
            self.reload_signal |= self._rotation.due(partial(read_again, self, self._tls))
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


def _told(read: int, timeout: float) -> bool:
    """Whether anything is written there; not if all who could have ended before."""
    awaited = select.poll()
    awaited.register(read, select.POLLIN)
    return bool(awaited.poll(timeout * 1000)) and bool(os.read(read, 1))
