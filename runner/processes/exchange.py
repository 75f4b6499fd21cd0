"""The exchange of a run's children when its pipeline is reloaded: try out, start beside, take over.

A changed file is tried out in a child first, so that nothing in it can harm the run. What can't be
loaded or doesn't come up is given up, and those that it was to replace never notice.

Left out: where a pipeline's children come from (see `reload`).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from runner.errors import RunnerError
from runner.processes.child import Board, Child, Supervision
from runner.processes.process import Process, kill_group
from runner.processes.succession import Succession

TRIAL_TIMEOUT = 60.0
"""Seconds that loading a changed file may take."""


class Generation(NamedTuple):
    """What a run consists of, until it is reloaded."""

    children: Sequence[Child]
    shutdown_timeout: float
    """Seconds that they may take to stop."""


class Reload(Protocol):
    """Where a run gets its next generation from."""

    @property
    def watches(self) -> bool:
        """Whether `due` may become true."""

    def due(self) -> bool:
        """Whether it is time for the next one though nobody has asked. Asked from time to time."""

    def try_out(self, supervision: Supervision) -> None:
        """The life of a child that tells whether the next generation can be loaded. Raises RunnerError if not."""

    def load(self) -> Generation:
        """The next generation. Raises RunnerError."""

    def accept(self, what: str) -> None:
        """It has taken over, as `what` says in words, and the one before it takes nothing more."""

    def refuse(self, reason: str) -> None:
        """It can't be loaded, or doesn't come up. The one before it goes on."""


class Exchange:
    """Of a run that gets its next generations from `reload`. `start` starts a process."""

    def __init__(self, reload: Reload, start: Callable[[Process], None]) -> None:
        self._reload = reload
        self._start = start
        self.wanted = False
        """Whether somebody has asked for one. One that is under way is given up for it."""
        self._trial: Process | None = None
        self._trial_ends = 0.0
        self._tried_out = False
        self._next: tuple[Succession, Generation] | None = None
        self._leaving: list[Process] = []
        self._done = ""
        """What has taken over, in words, while those before it still take messages or requests."""

    @property
    def processes(self) -> list[Process]:
        """Those that are not part of the run: they come, leave, or try out."""
        coming = [] if self._next is None else self._next[0].coming
        return [*coming, *self._leaving, *([] if self._trial is None else [self._trial])]

    @property
    def looks_again(self) -> bool:
        return self._trial is not None or self._reload.watches

    def go_on(self, now: Sequence[Process]) -> None:
        """Do what can be done next for a run that consists of `now`."""
        self._tell_when_done()
        if self.wanted or self._reload.due():
            self.wanted = False
            self._begin()
        elif self._trial is not None and time.monotonic() > self._trial_ends:
            self._trial.start_error = f"loading it takes more than {TRIAL_TIMEOUT:g} s"
            kill_group(self._trial.pid)
        elif self._tried_out:
            self._tried_out = False
            self._load(now)

    def taken_over(self) -> tuple[list[Process], float] | None:
        """The processes of the run, and its shutdown timeout, from now on; None: nothing changes now."""
        if self._next is None or not self._next[0].is_over:
            return None
        (succession, generation), self._next = self._next, None
        processes = succession.complete()
        for process in succession.leaving:
            self._dismiss(process, process.child.leave if process.up else signal.SIGTERM)
        self._done = str(succession)
        self._tell_when_done()
        return processes, generation.shutdown_timeout

    def ended(self, process: Process, status: int) -> None:
        """A process has ended, which may be one of ours."""
        if process is self._trial:
            self._trial, self._tried_out = None, process.loadable
            if not process.loadable:
                ended = f"loading it ended the process that tried it out, with exit status {status}"
                self._reload.refuse(process.start_error or ended)
        elif process in self._leaving:
            self._leaving.remove(process)
        elif self._next is not None and process in self._next[0].coming:
            self._abandon()
            self._reload.refuse(
                process.start_error or f"{process.child.name} ended before it was up, with exit status {status}"
            )

    def _tell_when_done(self) -> None:
        if self._done and all(process.has_left for process in self._leaving):
            done, self._done = self._done, ""
            self._reload.accept(done)

    def _begin(self) -> None:
        if self._done:
            self._reload.accept(self._done)
            self._done = ""
        if self._trial is not None:
            kill_group(self._trial.pid)
            self._leaving.append(self._trial)
        self._abandon()
        self._tried_out = False
        self._trial = Process(Child("reload", self._reload.try_out), Board(["reload"]))
        self._trial_ends = time.monotonic() + TRIAL_TIMEOUT
        self._start(self._trial)

    def _load(self, now: Sequence[Process]) -> None:
        try:
            generation = self._reload.load()
        except RunnerError as error:  # it has changed since it was tried out
            self._reload.refuse(str(error))
            return
        succession = Succession(now, generation.children)
        self._next = succession, generation
        serving = {process.child.name for process in now if process.up}
        for process in succession.coming:
            process.follows = process.child.name in serving
            self._start(process)

    def _abandon(self) -> None:
        """Stop those that were to take over."""
        abandoned, self._next = self._next, None
        for process in () if abandoned is None else abandoned[0].coming:
            self._dismiss(process, signal.SIGTERM)

    def _dismiss(self, process: Process, order: int) -> None:
        process.due = None
        process.has_left = False  # whatever it said before it was asked to
        if process.pid:
            self._leaving.append(process)
            process.signal(order)
