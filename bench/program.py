"""A program that a benchmark starts: its end is certain, and what it costs can be read.

Linux only (`/proc`). Left out: what the programs are for.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from bench.failure import ContenderError

ROOT = Path(__file__).parents[1]
TICK = os.sysconf("SC_CLK_TCK")

# The kernel ends the child when we are killed, too.
_TIED = ["setpriv", "--pdeathsig", "TERM", "--"] if shutil.which("setpriv") else []


class Memory(NamedTuple):
    """What one process holds, in bytes."""

    name: str
    rss: int
    pss: int
    """As RSS, but a page that n processes share counts 1/n for each."""


class Program:
    """One run of `command`, from entering the context to leaving it. Everything that it starts
    is in its own session, and ends with it. Its output goes to a file in `folder`."""

    def __init__(
        self, command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None, name: str = "program"
    ) -> None:
        self._command = [*_TIED, *command]
        self._folder = folder
        self._env = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        self._output = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(15)
        deadline = time.monotonic() + 15
        while (left := self.pids()) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.poll()
            time.sleep(0.01)
        self._process.wait(15)

    @property
    def output(self) -> str:
        return self._output.read_text(errors="replace")

    def check(self) -> None:
        """Raises ContenderError if it has ended by itself."""
        assert self._process is not None
        if (status := self._process.poll()) is not None:
            raise ContenderError(f"ended with status {status}: {_last_lines(self.output)}")

    def wait_until(
        self, condition: Callable[[], bool], what: str, *, timeout: float = 60.0, poll: float = 0.01
    ) -> None:
        """Return when `condition()` is true. Raises ContenderError if the program or the time ends first."""
        deadline = time.monotonic() + timeout
        while not condition():
            self.check()
            if time.monotonic() > deadline:
                raise ContenderError(f"{what}: not within {timeout:g} s; {_last_lines(self.output)}")
            time.sleep(poll)

    # -- what it costs ------------------------------------------------------------------

    def pids(self) -> list[int]:
        """Its living processes, itself first."""
        assert self._process is not None
        return sorted(_session(self._process.pid))

    def cpu(self) -> float:
        """Seconds of processor time that its living processes have used."""
        return sum(map(processor_time, self.pids()))

    def memory(self) -> list[Memory]:
        """What each of its processes holds."""
        return [memory for pid in self.pids() if (memory := _memory(pid)) is not None]


def finish(command: Sequence[str], folder: Path, *, env: Mapping[str, str] | None = None, timeout: float) -> str:
    """Run a program to its end. Returns what it printed. Raises ContenderError if it fails."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=True, timeout=timeout
        )
    except subprocess.CalledProcessError as error:
        raise ContenderError(f"{' '.join(command[-4:])} failed: {_last_lines(error.stderr)}") from error
    except subprocess.TimeoutExpired as error:
        raise ContenderError(f"{' '.join(command[-4:])} took longer than {timeout:g} s") from error
    return done.stdout


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used; 0 if it is gone."""
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / TICK if fields else 0.0


def _session(leader: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            fields = _stat(int(entry.name))
            if fields and int(fields[3]) == leader and fields[0] != "Z":
                yield int(entry.name)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name, which may contain anything; state is the first."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.rpartition(")")[2].split()


def _memory(pid: int) -> Memory | None:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        name = Path(f"/proc/{pid}/comm").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    sizes = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in text.splitlines()[1:]}
    return Memory(name, sizes["Rss"], sizes["Pss"])


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-3:])[-400:] or "it said nothing"
