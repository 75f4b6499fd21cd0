"""The pipeline of a run, loaded again from its file as often as that is wanted.

Left out: how the children of the old one make room for those of the new one (see `exchange`).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runner.config.loader import LoadedPipeline, load
from runner.handlers.modules import imported_anew
from runner.processes.child import Child, Supervision
from runner.processes.children import children
from runner.processes.exchange import Generation
from runner.processes.listeners import Listeners
from runner.processes.parts import Parts, parts_of, prepare_keys
from runner.processes.runs import RunFile
from runner.processes.watch import Watch
from runner.wording import facts

log = logging.getLogger("runner.reload")


class Assembly(NamedTuple):
    """A loaded pipeline, with all that a run of it needs before its children start."""

    loaded: LoadedPipeline
    parts: Parts
    """With the ports that they have."""
    listeners: Listeners
    children: Sequence[Child]

    @property
    def generation(self) -> Generation:
        return Generation(self.children, self.loaded.pipeline.shutdown_timeout)


def assemble(loaded: LoadedPipeline, only: Sequence[str], processes: int, before: Listeners | None = None) -> Assembly:
    """What a run of the parts `only` needs (empty: all). It shares what it can of `before`. Raises
    RunnerError: a name that is none, keys that can't be used, an address that can't be listened on."""
    parts = parts_of(loaded.pipeline, only)
    prepare_keys(parts, loaded)
    listeners = Listeners.opened(parts, before)
    parts = listeners.on_ports(parts)
    return Assembly(loaded, parts, listeners, children(loaded, parts, listeners, processes=processes))


class Reloading:
    """Loads the file at `path` again for a run that began with `first`. `watch`: whether it looks itself for changes.
    `file` is told what came of it."""

    def __init__(
        self, path: Path, first: Assembly, only: Sequence[str], processes: int, file: RunFile, *, watch: bool = False
    ) -> None:
        self._path = path
        self._now = first
        self._next: Assembly | None = None
        self._only = only
        self._processes = processes
        self._file = file
        self._watch = Watch(path.absolute()) if watch else None

    @property
    def watches(self) -> bool:
        return self._watch is not None

    def due(self) -> bool:
        return self._watch is not None and self._watch.due()

    def try_out(self, supervision: Supervision) -> None:
        self._load()
        supervision.loadable()

    def load(self) -> Generation:
        self._drop_next()
        self._next = self._load()
        for problem in self._next.loaded.warnings:
            told = facts(file=problem.file, line=problem.line, column=problem.column, key=problem.key)
            log.warning("%s:%d:%d: %s", problem.file, problem.line, problem.column, problem.message, extra=told)
        return self._next.generation

    def accept(self, what: str) -> None:
        assert self._next is not None
        self._now.listeners.close(but=self._next.listeners)
        self._now, self._next = self._next, None
        log.info("%s is reloaded; %s", self._path.name, what, extra=facts(file=self._path.name, outcome="reloaded"))
        self._file.tell("reloaded", what)

    def refuse(self, reason: str) -> None:
        self._drop_next()
        for line in reason.splitlines():
            log.error("%s", line, extra=facts(reason=line))
        told = facts(file=self._path.name, outcome="refused")
        log.error("%s is not reloaded; what runs goes on as it was", self._path.name, extra=told)
        self._file.tell("refused", reason)

    def close(self) -> None:
        """Listen no more in this process."""
        self._drop_next()
        self._now.listeners.close()
        self._file.close()

    def _load(self) -> Assembly:
        with imported_anew(self._path.absolute().parent):
            return assemble(load(self._path), self._only, self._processes, self._now.listeners)

    def _drop_next(self) -> None:
        if self._next is not None:
            self._next.listeners.close(but=self._now.listeners)
            self._next = None
