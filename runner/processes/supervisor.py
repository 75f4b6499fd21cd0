"""Keeps child processes alive: starts, watches, restarts them, and stops them in order.

The loop is that of a pre-forking server's arbiter: signal handlers only write a byte to a
pipe, and everything is done in one place. Left out: what happens in a child (see `child`).

Children are forked, so that all of them run the very pipeline that was checked, even if the
file has changed since. For that reason the supervisor has no threads.
"""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import selectors
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import TYPE_CHECKING, Any

import orjson

from runner.events import UNWATCHED, Events
from runner.observability import streams
from runner.processes.child import ORDERS, Board, Child, Supervision, live
from runner.processes.pipes import Inlet, Outlet, drained, pipe

if TYPE_CHECKING:
    from runner.observability.snapshot import Process
    from runner.processes.summing import Sum

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
SHOW_EVERY = 0.9
"""Seconds between two sums that are shown: a little less than between what the children tell."""
KILL_GRACE = 5.0
"""Seconds after the shutdown timeout, for acks to leave, before SIGKILL."""


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
        self.report: Inlet
        self.snapshots: Outlet | None = None
        """Where it is told what all have counted."""
        self.starts = 0
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

    def as_told(self) -> Process:
        """How it stands, for those who look."""
        from runner.observability.snapshot import Process

        since = time.time() - (time.monotonic() - self.started) if self.starts else 0.0
        return Process(self.pid, self.up, self.starts, round(since, 1))


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
        self._sum = _sum() if any(child.shows for child in children) else None
        self._shown = 0.0
        """When the sum was shown last (monotonic)."""
        self._first_signal: float | None = None
        self._at_once = False
        """Whether a second signal has asked not to wait any more."""
        self._announced = False
        self._start_error: tuple[str, str] | None = None
        """The part that can't start, and why."""
        self._wake_read, self._wake_write = pipe()
        self._lifeline_read, self._lifeline_write = pipe()
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
        return self._first_signal is not None or self._start_error is not None

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
        if self._sum is not None:
            due.append(self._shown + SHOW_EVERY)
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _wait(self, timeout: float | None) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake_read:
                drained(self._wake_read)
            else:
                self._read_report(key.data)
        self._reap()
        if self._sum is not None and time.monotonic() >= self._shown + SHOW_EVERY:
            self._show(self._sum)
        if not self._announced and all(process.up for process in self._processes):
            self._announced = True
            self._on_up()

    def _read_report(self, process: _Process) -> None:
        for line in process.report.lines():
            message = orjson.loads(line)
            if "counts" in message:
                self._hear(process, message)
                continue
            process.start_error = message.get("start_error", process.start_error)
            process.replaced = message.get("replace", process.replaced)
            if message.get("up"):
                process.up = True
                self._events.started(process.child.name, process.pid)

    def _hear(self, process: _Process, message: Mapping[str, Any]) -> None:
        from runner.observability.snapshot import Told

        if self._sum is not None:
            self._sum.hear(process.child.name, message["pid"], Told.from_json(message["counts"]))

    def _show(self, sum: Sum) -> None:
        """To those that show it. One that lags behind is told later."""
        self._shown = time.monotonic()
        outlets = [process.snapshots for process in self._processes if process.snapshots is not None]
        if outlets:
            snapshot = sum.snapshot({process.child.name: process.as_told() for process in self._processes}).as_json()
            for outlet in outlets:
                outlet.offer(snapshot)

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
        self._selector.unregister(process.report.descriptor)
        process.report.close()
        if process.snapshots is not None:
            process.snapshots.close()
            process.snapshots = None
        if self._sum is not None:
            self._sum.ended(process.child.name)
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
            self._start_error = process.child.name, process.start_error or f"{process.child.name} can't start"
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
        read, write = pipe()
        process.report = Inlet(read)
        shown = -1
        if process.child.shows:
            shown, show = pipe()
            process.snapshots = Outlet(show)
        process.starts += 1
        process.started = time.monotonic()
        process.replaced = False
        streams.flush()
        # Until the child has its own handlers, a signal to it has to wait: otherwise its copy
        # of ours would take the signal, and it would be lost. `live` lets them come.
        signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
        process.pid = os.fork()
        if not process.pid:
            os.close(self._lifeline_write)
            live(process.child, Supervision(write, self._lifeline_read, self._board, shown), self._configure_child)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
        os.close(write)
        if shown != -1:
            os.close(shown)
        self._selector.register(read, selectors.EVENT_READ, process)

    # -- stopping ---------------------------------------------------------------------------

    def _stop(self) -> int:
        """First those that take and handle messages, then those that they may need."""
        killed = [self._stop_group([p for p in self._processes if p.child.last == last]) for last in (False, True)]
        if self._start_error is not None:
            self._events.cannot_start(*self._start_error)
        return 1 if self._start_error is not None or any(killed) else 0

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

    def _kill(self, group: Sequence[_Process]) -> bool:
        alive = [process for process in group if process.pid and not process.killed]
        for process in alive:
            process.killed = True
            self._events.killed(process.child.name, process.pid)
            _kill_group(process.pid)
        return bool(alive)


def _sum() -> Sum:
    from runner.processes.summing import Sum  # which a run that nobody looks at doesn't need

    return Sum()


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
