"""How a command finds the runs of a pipeline on this machine: each has a file in `var/runs`, named
by its process and its place, that it keeps locked as long as it lives. Left out: what the command tells it.
"""

from __future__ import annotations

import json
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from runner import locks
from runner.privacy.files import make_file, make_folder
from runner.wording import facts

log = logging.getLogger("runner.reload")

RUNS = Path("var") / "runs"


class Run(NamedTuple):
    """A run that lives."""

    pid: int
    place: str
    """Where `pid` means that process."""
    file: str
    """The pipeline's."""
    reloads: int
    """How many reloads have come to an end."""
    outcome: str
    """Of the last one: `reloaded` or `refused`."""
    words: str


class RunFile:
    """The file of this run, of the pipeline at `path`. Where it can't be written, there is none, and no
    command finds the run."""

    def __init__(self, path: Path) -> None:
        path = path.absolute()
        self._run = Run(os.getpid(), _here(), str(path), 0, "", "")
        self._path = path.parent / RUNS / f"{os.getpid()}-{crc32(_here().encode()):08x}"
        self._file = -1
        try:
            make_folder(self._path.parent)
            self._file = make_file(self._path)
            locks.try_lock(self._file)
        except OSError as error:
            told = facts(file=self._path, reason=error.strerror)
            log.debug("no `runner reload` will find this run: %s: %s", self._path, error.strerror, extra=told)
        locks.keep_from_children(self)
        self._write()

    def tell(self, outcome: str, words: str) -> None:
        """A reload has come to an end."""
        self._run = self._run._replace(reloads=self._run.reloads + 1, outcome=outcome, words=words)
        self._write()

    def let_go(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def close(self) -> None:
        """The run has ended."""
        if self._file >= 0:
            with suppress(OSError):
                self._path.unlink()
        self.let_go()
        locks.forget(self)

    def _write(self) -> None:
        if self._file < 0:
            return
        line = json.dumps(self._run._asdict()).encode() + b"\n"
        with suppress(OSError):
            os.pwrite(self._file, line, 0)
            os.ftruncate(self._file, len(line))


def runs_of(path: Path) -> Iterator[Run]:
    """The runs of the pipeline at `path` that live here: not in another container, or on another machine,
    that has the same folder. Files that dead ones have left are removed."""
    path = path.absolute()
    for entry in sorted((path.parent / RUNS).glob("[0-9]*")):
        run = _read(entry)
        if run is not None and (run.place, run.file) == (_here(), str(path)):
            yield run


def _here() -> str:
    """This machine, and the container if it is one: there, the same number is another process."""
    with suppress(OSError):
        return f"{socket.gethostname()} {os.readlink('/proc/self/ns/pid')}"  # noqa: PTH115 - no path
    return socket.gethostname()


def _read(entry: Path) -> Run | None:
    """Raises nothing: one that can't be read is not ours, or ends just now."""
    with suppress(OSError, ValueError, TypeError):
        file = os.open(entry, os.O_RDWR | os.O_CLOEXEC)
        try:
            if locks.try_lock(file):
                entry.unlink()
                return None
            return Run(**json.loads(os.pread(file, 1 << 20, 0).partition(b"\n")[0]))
        finally:
            os.close(file)
    return None
