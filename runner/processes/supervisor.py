"""Keeps child processes alive: starts, watches, restarts them, and stops them in order.

The loop is that of a pre-forking server's arbiter: a signal only writes a byte to a pipe, and
everything is done in one place. Left out: what happens in a child (see `child`).

Children are forked, so that all of them run the very pipeline that was checked, even if the
file has changed since. For that reason the supervisor has no threads. A changed file is tried
out in a child, so that nothing in it can harm the run; then it is loaded here.
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

from runner.events import UNWATCHED, Events
from runner.processes.child import Board, Child
from runner.processes.exchange import Exchange, Reload
from runner.processes.pipes import drained, pipe
from runner.processes.process import Process, kill_group
from runner.wording import facts

if TYPE_CHECKING:
    from runner.processes.summing import Sum

log = logging.getLogger("runner.supervisor")

NOTICE = 0.5
"""Seconds that stopping may take before the log explains it."""
SAME_ORDER = 0.5
"""Seconds within which a second signal only repeats the first: `timeout`, say, signals the
process and its group."""
LOOK_EVERY = 1.0
"""Seconds between looks at a reload that nothing may wake us for."""
SHOW_EVERY = 0.9
"""Seconds between two sums that are shown: a little less than between what the children tell."""
KILL_GRACE = 5.0
"""Seconds after the shutdown timeout, for acks to leave, before SIGKILL."""


class Supervisor:
    """Runs `children` until a signal, or a child that can't start, ends the run. SIGHUP exchanges
    them by `reload`, if there is one.

    Each child first calls `configure_child(name)` (its logging); `on_up()` is called once all
    of them are up, `on_stop()` when they are about to be stopped. `events` are this process's:
    the children have their own.
    """

    def __init__(
        self,
        children: Sequence[Child],
        *,
        shutdown_timeout: float,
        configure_child: Callable[[str], None],
        on_up: Callable[[], None],
        on_stop: Callable[[], None] = lambda: None,
        events: Events = UNWATCHED,
        reload: Reload | None = None,
    ) -> None:
        board = Board([child.name for child in children])
        self._processes = [Process(child, board) for child in children]
        self._shutdown_timeout = shutdown_timeout
        self._configure_child = configure_child
        self._on_up = on_up
        self._on_stop = on_stop
        self._events = events
        self._exchange = None if reload is None else Exchange(reload, self._start)
        self._has_terminal = _terminal_is_there()
        self._selector = selectors.DefaultSelector()
        self._sum: Sum | None = None
        self._sum = self._sum_if_shown()
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
        # Python calls a handler only between two of its steps: one whose signal comes just before
        # `select` would wait for the end of that.
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(number, self._on_signal)
        gc.freeze()  # what is loaded by now stays shared by the children
        while not self._stopping:
            self._start_due()
            self._wait(self._next_due())
            if self._exchange is not None and not self._stopping:
                self._go_on_with(self._exchange)
        return self._stop()

    def _go_on_with(self, exchange: Exchange) -> None:
        exchange.go_on(self._processes)
        if (taken_over := exchange.taken_over()) is not None:
            self._processes, self._shutdown_timeout = taken_over
            self._sum = self._sum_if_shown()

    @property
    def _stopping(self) -> bool:
        return self._first_signal is not None or self._start_error is not None

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGHUP and self._exchange is not None and not self._has_hung_up():
            self._exchange.wanted = True
        elif number != signal.SIGCHLD:
            if self._first_signal is None:
                self._first_signal = time.monotonic()
            elif time.monotonic() - self._first_signal > SAME_ORDER:
                self._at_once = True

    def _has_hung_up(self) -> bool:
        """Whether SIGHUP came because the run's terminal was closed."""
        return self._has_terminal and not _terminal_is_there()

    # -- the loop ----------------------------------------------------------------------

    def _all(self) -> list[Process]:
        return [*self._processes, *(() if self._exchange is None else self._exchange.processes)]

    def _next_due(self) -> float | None:
        due = [process.due for process in self._processes if process.due is not None]
        waits = [max(0.0, min(due) - time.monotonic())] if due else []
        if self._exchange is not None and self._exchange.looks_again:
            waits.append(LOOK_EVERY)
        if self._sum is not None:
            waits.append(max(0.0, self._shown + SHOW_EVERY - time.monotonic()))
        return min(waits, default=None)

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

    def _read_report(self, process: Process) -> None:
        for message in process.messages():
            if "counts" in message:
                self._hear(process, message)
            elif process.take_in(message):
                self._events.started(process.child.name, process.pid)

    def _hear(self, process: Process, message: Mapping[str, Any]) -> None:
        from runner.observability.snapshot import Told

        if self._sum is not None:
            self._sum.hear(process.child.name, process.pid, message["pid"], Told.from_json(message["counts"]))

    def _sum_if_shown(self) -> Sum | None:
        """The sum of what all have counted, if somebody shows it."""
        if not any(process.child.shows for process in self._processes):
            return None
        from runner.processes.summing import Sum  # which a run that nobody looks at doesn't need

        return self._sum or Sum()

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
        running = {process.pid: process for process in self._all() if process.pid}
        with contextlib.suppress(ChildProcessError):  # there are none
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = ended
                if pid in running:
                    self._ended(running[pid], os.waitstatus_to_exitcode(status))

    def _ended(self, process: Process, status: int) -> None:
        self._read_report(process)
        self._selector.unregister(process.report.descriptor)
        if self._sum is not None:
            self._sum.ended(process.child.name, process.pid)
        pid, was_up = process.pid, process.up
        process.ended()
        again = self._delay(process) if process in self._processes else None
        self._events.stopped(process.child.name, pid, status, was_up, again)
        if again is not None:
            process.due = time.monotonic() + again
        elif self._exchange is not None:
            self._exchange.ended(process, status)

    def _delay(self, process: Process) -> float | None:
        """Seconds until a child that has ended is restarted; None: it is not."""
        if self._stopping:
            return None
        if process.start_error is not None:
            self._start_error = process.child.name, process.start_error or f"{process.child.name} can't start"
            return None
        return process.delay()

    # -- starting ------------------------------------------------------------------------

    def _start_due(self) -> None:
        now = time.monotonic()
        for process in self._processes:
            if process.due is not None and process.due <= now:
                self._start(process)

    def _start(self, process: Process) -> None:
        process.start(self._lifeline_read, self._lifeline_write, self._configure_child)
        self._selector.register(process.report.descriptor, selectors.EVENT_READ, process)

    # -- stopping ---------------------------------------------------------------------------

    def _stop(self) -> int:
        """First those that take and handle messages, then those that they may need."""
        self._on_stop()
        killed = [self._stop_group([p for p in self._all() if p.child.last == last]) for last in (False, True)]
        if self._start_error is not None:
            self._events.cannot_start(*self._start_error)
        return 1 if self._start_error is not None or any(killed) else 0

    def _stop_group(self, group: Sequence[Process]) -> bool:
        """True where something had to be killed."""
        began, told, killed = time.monotonic(), False, False
        while any(process.pid for process in group):
            for process in group:
                process.signal(signal.SIGTERM)  # again and again, as in `Supervision.watch`
            passed = time.monotonic() - began
            if passed > self._shutdown_timeout + KILL_GRACE or self._at_once:
                killed = self._kill(group) or killed
            elif passed > NOTICE and not told:
                told = True
                what = "stopping, within %g s: what is in hand is finished (Ctrl-C again: now)"
                log.info(what, self._shutdown_timeout, extra=facts(seconds=self._shutdown_timeout))
            self._wait(NOTICE)
        return killed

    def _kill(self, group: Sequence[Process]) -> bool:
        alive = [process for process in group if process.pid and not process.killed]
        for process in alive:
            process.killed = True
            self._events.killed(process.child.name, process.pid)
            kill_group(process.pid)
        return bool(alive)


def _terminal_is_there() -> bool:
    """Whether this process has a terminal that wasn't closed."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True
