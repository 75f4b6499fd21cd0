"""The supervisor's sum of what its children have counted. Counts of children that have ended stay in it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from runner.observability.snapshot import Now, Process, Snapshot, Told, added

SILENT = 10.0
"""Seconds after which what a process has told is no longer how things stand: it is gone, or stopped."""


class _Life(NamedTuple):
    """What one process has told last, and when (monotonic)."""

    told: Told
    at: float


class Sum:
    """What each child has told, by name. A child may consist of several processes, one after the
    other: the intake has others after its certificate has changed. While a reload is under way there
    are two children of a name."""

    def __init__(self) -> None:
        self._lives: dict[str, dict[tuple[int, int], _Life]] = {}
        """By name; then by the child's process, and the one that has told it."""
        self._ended: dict[str, Told] = {}

    def hear(self, name: str, child: int, pid: int, told: Told) -> None:
        """The process `pid` of the child, whose own is `child`, has told this. Those before it in the same child
        have ended if they are silent; another child may tell again."""
        now, lives = time.monotonic(), self._lives.setdefault(name, {})
        silent = [key for key, life in lives.items() if now - life.at > SILENT]
        for child_of, other in silent:
            if child_of == child and other != pid:
                self._end(name, lives.pop((child_of, other)))
        lives[child, pid] = _Life(told, now)

    def ended(self, name: str, child: int) -> None:
        """All the processes of the child have ended."""
        lives = self._lives.get(name, {})
        for key in [key for key in lives if key[0] == child]:
            self._end(name, lives.pop(key))

    def snapshot(self, processes: Mapping[str, Process]) -> Snapshot:
        """The run at this moment; `processes` are its children, without what they have told. The sum has
        those as well that a reload has taken away."""
        told = {name: self._told(name) for name in {**processes, **self._ended, **self._lives}}
        whole = Told()
        for one in told.values():
            whole = added(whole, one)
        known = {name: replace(process, told=told[name]) for name, process in processes.items()}
        return Snapshot(round(time.time(), 3), known, whole)

    def _told(self, name: str) -> Told:
        told, now = self._ended.get(name, Told()), time.monotonic()
        for life in self._lives.get(name, {}).values():
            told = added(told, life.told if now - life.at <= SILENT else Told(life.told.totals))
        return told

    def _end(self, name: str, life: _Life) -> None:
        self._ended[name] = added(self._ended.get(name, Told()), Told(life.told.totals, Now()))
