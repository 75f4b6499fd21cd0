"""A child as its supervisor sees it: started, perhaps more than once, and what it has told.

Left out: when it is started and stopped (see `supervisor`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

import orjson

from runner.observability import streams
from runner.processes.child import ORDERS, Board, Child, Supervision, live
from runner.processes.pipes import Inlet, Outlet, pipe

if TYPE_CHECKING:
    from runner.observability import snapshot

FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 30.0
"""Seconds before a child that died is restarted; each wait is twice the one before."""
STEADY = 60.0
"""Seconds after which a child's earlier deaths are forgotten."""


class Process:
    """A child, and the process that it is now, if it is one."""

    def __init__(self, child: Child, board: Board, starts: int = 0) -> None:
        """`starts` is how often those before it in the run were started, which it replaces."""
        self.child = child
        self._board = board
        self.pid = 0
        self.killed = False
        """Whether its end was forced; that may take a moment to show."""
        self.start_error: str | None = None
        """Why it can't start, as it has told; its exit status may be a handler's."""
        self.replaced = False
        """Whether it has asked to be replaced."""
        self.loadable = False
        """Whether a changed pipeline that it has tried out can be loaded."""
        self.follows = False
        """Whether, when it is started next, another one works until it is up."""
        self.has_left = False
        """Whether it takes nothing more, for it has a successor."""
        self.report: Inlet
        self.snapshots: Outlet | None = None
        """Where it is told what all have counted."""
        self.due: float | None = 0.0
        """When to start it (monotonic); None while it runs, or if it should not start."""
        self.starts = starts
        """How often it was started, and those before it."""
        self._started = 0.0
        self._backoff = FIRST_BACKOFF

    @property
    def up(self) -> bool:
        return self._board[self.child.name]

    def move(self, board: Board) -> None:
        """Show from now on on `board` whether it is up."""
        board[self.child.name] = self.up
        self._board = board

    def start(self, lifeline_read: int, lifeline_write: int, configure: Callable[[str], None]) -> None:
        """Fork it. Its end of the lifeline is the one that is read."""
        self.due, self.replaced = None, False
        read, write = pipe()
        self.report = Inlet(read)
        shown = -1
        if self.child.shows:
            shown, show = pipe()
            self.snapshots = Outlet(show)
        self.starts += 1
        self._started = time.monotonic()
        streams.flush()
        # Until the child has its own handlers, a signal to it has to wait: otherwise its copy
        # of ours would take the signal, and it would be lost. `live` lets them come.
        signal.pthread_sigmask(signal.SIG_BLOCK, ORDERS)
        self.pid = os.fork()
        if not self.pid:
            os.close(lifeline_write)
            supervision = Supervision(write, lifeline_read, self._board, shown, follows=self.follows)
            live(self.child, supervision, configure)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, ORDERS)
        os.close(write)
        if shown != -1:
            os.close(shown)
        self.follows = False

    def messages(self) -> Iterator[Mapping[str, Any]]:
        """What it has told since. Where two processes of a child have filled the pipe, each may break a
        line of the other; the next counts contain what is left out."""
        for line in self.report.lines():
            with contextlib.suppress(orjson.JSONDecodeError):
                yield orjson.loads(line)

    def take_in(self, message: Mapping[str, Any]) -> bool:
        """Keep what it has told of itself. True if it has come up just now."""
        self.start_error = message.get("start_error", self.start_error)
        self.replaced = message.get("replace", self.replaced)
        self.loadable = message.get("loadable", self.loadable)
        self.has_left = message.get("left", self.has_left)
        if not message.get("up"):
            return False
        self._board[self.child.name] = True
        return True

    def as_told(self) -> snapshot.Process:
        """How it stands, for those who look."""
        from runner.observability.snapshot import Process

        since = time.time() - (time.monotonic() - self._started) if self._started else 0.0
        return Process(self.pid, self.up, self.starts, round(since, 1))

    def ended(self) -> None:
        """Its process is gone."""
        self.report.close()
        if self.snapshots is not None:
            self.snapshots.close()
            self.snapshots = None
        kill_group(self.pid)  # its orphans may still hold its port and its messages
        self._board[self.child.name] = False
        self.pid = 0

    def delay(self) -> float:
        """Seconds until it is restarted, now that it has ended."""
        if self.replaced:
            return 0.0
        if time.monotonic() - self._started > STEADY:
            self._backoff = FIRST_BACKOFF
        delay, self._backoff = self._backoff, min(self._backoff * 2, LONGEST_BACKOFF)
        return delay

    def signal(self, number: int) -> None:
        if self.pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)


def kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
