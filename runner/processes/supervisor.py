"""Keeps child processes alive: starts, watches, restarts them, and stops them in order.

The loop is that of a pre-forking server's arbiter: signal handlers only write a byte to a
pipe, and everything is done in one place. Left out: what a child does.

Children are forked, so that all of them run the very pipeline that was checked, even if the
file has changed since. For that reason the supervisor has no threads.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import mmap
import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

from runner.errors import RunnerError
from runner.events import UNWATCHED, Events
from runner.observability import streams

log = logging.getLogger("runner.supervisor")

FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 30.0
"""Seconds before a child that died is restarted; each wait is twice the one before."""
STEADY = 60.0
"""Seconds after which a child's earlier deaths are forgotten."""
NOTICE = 0.5
"""Seconds that stopping may take before the log explains it."""
SAME_ORDER = 0.5
"""Seconds within which a second signal only repeats the first: `timeout`, say, signals the
process and its group."""
KILL_GRACE = 5.0
"""Seconds after the shutdown timeout, for acks to leave, before SIGKILL."""


class Stop(BaseException):
    """Raised in a child's main thread by SIGTERM: stop, in good order."""


NAP = 0.25
"""Seconds that a child rests at a time: a signal that comes just before a sleep shows only after it."""


def rest() -> NoReturn:
    """Until `Stop`."""
    while True:
        time.sleep(NAP)


class Board:
    """Which children are up: a byte for each, in memory that the supervisor shares with them."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._up = mmap.mmap(-1, max(1, len(names)))

    def __getitem__(self, child: int) -> bool:
        return bool(self._up[child])

    def __setitem__(self, child: int, up: bool) -> None:
        self._up[child] = up

    def down(self) -> list[str]:
        return [name for child, name in enumerate(self._names) if not self._up[child]]


class Supervision:
    """A child's view of its supervisor: a place to report to, and a sign of life."""

    def __init__(self, report: int, lifeline: int, board: Board) -> None:
        self._report = report
        self._lifeline = lifeline
        self._board = board

    def up(self) -> None:
        """This child is up and working."""
        self._tell(up=True)

    def cannot_start(self, reason: str) -> None:
        """This child can't start, and restarting it wouldn't help."""
        self._tell(start_error=reason)

    def down(self) -> list[str]:
        """The names of the children that are not up."""
        return self._board.down()

    def replace(self) -> None:
        """This child is about to end in good order, and wants a fresh one in its place, at once."""
        self._tell(replace=True)

    def watch(self) -> None:
        """Stop this child's process group when the supervisor is gone, however it died:
        nothing may run unsupervised. Starts a thread."""

        def watch() -> None:
            os.read(self._lifeline, 1)
            os.killpg(0, signal.SIGTERM)

        threading.Thread(target=watch, name="lifeline", daemon=True).start()

    def _tell(self, **message: object) -> None:
        os.write(self._report, json.dumps(message).encode() + b"\n")


@dataclass(frozen=True, slots=True)
class Child:
    """A kind of child process. `run` is its whole life: it calls `Supervision.up()` when it
    is up, raises RunnerError if it can't start, and ends on `Stop`."""

    name: str
    run: Callable[[Supervision], None]
    forks: bool = False
    """Whether it forks child processes: it then has no threads until it has forked, and calls
    `Supervision.watch()` itself."""
    last: bool = False
    """Whether the others may need it while they stop, so that it stops after them."""


class _Process:
    """A child that was started, perhaps more than once."""

    def __init__(self, child: Child, number: int, board: Board) -> None:
        self.child = child
        self._number = number
        self._board = board
        self.pid = 0
        self.killed = False
        """Whether its end was forced; that may take a moment to show."""
        self.start_error: str | None = None
        """Why it can't start, as it has told; its exit status may be a handler's."""
        self.replaced = False
        """Whether it has asked to be replaced."""
        self.report = -1
        self.started = 0.0
        self.backoff = FIRST_BACKOFF
        self.due: float | None = 0.0
        """When to start it (monotonic); None while it runs, or if it should not start."""

    @property
    def up(self) -> bool:
        return self._board[self._number]

    @up.setter
    def up(self, up: bool) -> None:
        self._board[self._number] = up


class Supervisor:
    """Runs `children` until a signal, or a child that can't start, ends the run.

    Each child first calls `configure_child(name)` (its logging); `on_up()` is called once all
    of them are up. `events` are this process's: the children have their own.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        shutdown_timeout: float,
        configure_child: Callable[[str], None],
        on_up: Callable[[], None],
        events: Events = UNWATCHED,
    ) -> None:
        self._board = Board([child.name for child in children])
        self._processes = [_Process(child, number, self._board) for number, child in enumerate(children)]
        self._shutdown_timeout = shutdown_timeout
        self._configure_child = configure_child
        self._on_up = on_up
        self._events = events
        self._selector = selectors.DefaultSelector()
        self._first_signal: float | None = None
        self._at_once = False
        """Whether a second signal has asked not to wait any more."""
        self._announced = False
        self._start_error = ""
        self._wake_read, self._wake_write = _pipe()
        self._lifeline_read, self._lifeline_write = _pipe()
        os.set_blocking(self._lifeline_read, True)
        self._selector.register(self._wake_read, selectors.EVENT_READ)

    def run(self) -> int:
        """Returns the exit status: 0 after a clean stop, 1 if a part could not start or had to be
        killed."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        gc.freeze()  # what is loaded by now stays shared by the children
        while not self._stopping:
            self._start_due()
            self._wait(self._next_due())
        return self._stop()

    @property
    def _stopping(self) -> bool:
        return self._first_signal is not None or bool(self._start_error)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number != signal.SIGCHLD:
            if self._first_signal is None:
                self._first_signal = time.monotonic()
            elif time.monotonic() - self._first_signal > SAME_ORDER:
                self._at_once = True
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes the loop as well
            os.write(self._wake_write, b".")

    # -- the loop ----------------------------------------------------------------------

    def _next_due(self) -> float | None:
        due = [process.due for process in self._processes if process.due is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake_read:
                _drain(self._wake_read)
            else:
                self._read_report(key.data)
        self._reap()
        if not self._announced and all(process.up for process in self._processes):
            self._announced = True
            self._on_up()

    def _read_report(self, process: _Process) -> None:
        for line in _drain(process.report).splitlines():
            message = json.loads(line)
            process.start_error = message.get("start_error", process.start_error)
            process.replaced = message.get("replace", process.replaced)
            if message.get("up"):
                process.up = True
                self._events.started(process.child.name, process.pid)

    def _reap(self) -> None:
        """See which children have ended, and reap orphans too: as PID 1 of a container, nobody
        else does."""
        running = {process.pid: process for process in self._processes if process.pid}
        with contextlib.suppress(ChildProcessError):  # there are none
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid in running:
                    self._ended(running[pid], os.waitstatus_to_exitcode(status))

    def _ended(self, process: _Process, status: int) -> None:
        self._read_report(process)
        self._selector.unregister(process.report)
        os.close(process.report)
        _kill_group(process.pid)  # its orphans may still hold its port and its messages
        pid, was_up, process.up, process.pid = process.pid, process.up, False, 0
        again = self._delay(process)
        self._events.stopped(process.child.name, pid, status, was_up, again)
        if again is not None:
            process.due = time.monotonic() + again

    def _delay(self, process: _Process) -> float | None:
        """Seconds until a child that has ended is restarted; None: it is not."""
        if self._stopping:
            return None
        if process.start_error is not None:
            self._start_error = process.start_error or f"{process.child.name} can't start"
            return None
        if process.replaced:
            return 0.0
        if time.monotonic() - process.started > STEADY:
            process.backoff = FIRST_BACKOFF
        delay, process.backoff = process.backoff, min(process.backoff * 2, LONGEST_BACKOFF)
        return delay

    # -- starting ------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            if process.due is not None and process.due <= now:
                process.due = None
                self._start(process)

    def _start(self, process: _Process) -> None:
        process.report, write = _pipe()
        process.started = time.monotonic()
        process.replaced = False
        streams.flush()
        # Until the child has its own handlers, a signal to it has to wait: otherwise its copy
        # of ours would take the signal, and it would be lost.
        signal.pthread_sigmask(signal.SIG_BLOCK, _ORDERS)
        process.pid = os.fork()
        if not process.pid:
            self._be_child(process.child, write)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _ORDERS)
        os.close(write)
        self._selector.register(process.report, selectors.EVENT_READ, process)

    def _be_child(self, child: Child, report: int) -> NoReturn:
        supervision = Supervision(report, self._lifeline_read, self._board)
        status = 0
        try:
            os.setpgid(0, 0)  # Ctrl-C reaches only the supervisor, which stops all children in order
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.signal(signal.SIGTERM, _raise_stop)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _ORDERS)
            os.close(self._lifeline_write)
            if not child.forks:
                supervision.watch()
            self._configure_child(child.name)
            child.run(supervision)
        except Stop:
            pass
        except RunnerError as error:
            supervision.cannot_start(str(error))
            status = 1
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else 1
        except BaseException:  # a child ends here, whatever it was
            log.exception("%s has failed", child.name)
            status = 1
        finally:
            streams.flush()
            os._exit(status)  # a stuck handler must not keep the process alive

    # -- stopping ---------------------------------------------------------------------------

    def _stop(self) -> int:
        """First those that take and handle messages, then those that they may need."""
        killed = [self._stop_group([p for p in self._processes if p.child.last == last]) for last in (False, True)]
        if self._start_error:
            log.error("%s", self._start_error)
        return 1 if self._start_error or any(killed) else 0

    def _stop_group(self, group: Sequence[_Process]) -> bool:
        """True where something had to be killed."""
        for process in group:
            if process.pid:
                _signal(process.pid, signal.SIGTERM)
        began, told, killed = time.monotonic(), False, False
        while any(process.pid for process in group):
            passed = time.monotonic() - began
            if passed > self._shutdown_timeout + KILL_GRACE or self._at_once:
                killed = self._kill(group) or killed
            elif passed > NOTICE and not told:
                told = True
                log.info(
                    "stopping, within %g s: what is in hand is finished (Ctrl-C again: now)", self._shutdown_timeout
                )
            self._wait(NOTICE)
        return killed

    @staticmethod
    def _kill(group: Sequence[_Process]) -> bool:
        alive = [process for process in group if process.pid and not process.killed]
        for process in alive:
            process.killed = True
            log.error("%s doesn't stop; killing it. What it had in hand is delivered again", process.child.name)
            _kill_group(process.pid)
        return bool(alive)


_ORDERS = (signal.SIGTERM, signal.SIGINT)


def _raise_stop(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise Stop


def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def _drain(read: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(read, 65536):
            parts.append(part)
    return b"".join(parts)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
