"""A supervisor with small children, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

PROGRAM = """
import logging, os, sys, time
from pathlib import Path
from runner.errors import StartError
from runner.events import Observer
from runner.observability.observers import attach
from runner.processes.child import Child, Stop, rest
from runner.processes.supervisor import Supervisor

folder = Path(sys.argv[1])
logging.basicConfig(format="%(message)s")

def note(name, text):
    with (folder / "events").open("a") as events:
        events.write(f"{name} {text} {os.getpid()}\\n")

class Watching(Observer):
    def started(self, part, pid):
        self.note(f"{part} {pid} started")

    def stopped(self, part, pid, status, was_up, again):
        self.note(f"{part} {pid} stopped {status} {was_up} {again}")

    def cannot_start(self, part, reason):
        self.note(f"{part} cannot start: {reason}")

    def killed(self, part, pid):
        self.note(f"{part} {pid} killed")

    def note(self, text):
        with (folder / "told").open("a") as told:
            told.write(text + "\\n")

def steady(name):
    def run(supervision):
        note(name, "up")
        supervision.up()
        try:
            rest()
        finally:
            note(name, "stopping")
    return run

extra = {}
CHILDREN

sys.exit(Supervisor(children, shutdown_timeout=0.5, configure_child=lambda name: None,
                    on_up=lambda: note("all", "up"), events=attach([Watching()]), **extra).run())
"""

Run = Callable[[str], "Program"]


class Program:
    """A supervisor in a separate process, and what it and its children noted."""

    def __init__(self, children: str, folder: Path) -> None:
        self._events = folder / "events"
        self._told = folder / "told"
        source = PROGRAM.replace("CHILDREN", textwrap.dedent(children))
        self.process = subprocess.Popen(
            [sys.executable, "-c", source, str(folder)], stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    @property
    def events(self) -> list[str]:
        """`name event`, in the order in which they happened."""
        return [" ".join(line.split()[:2]) for line in self._lines()]

    def pids(self, name: str) -> list[int]:
        return [int(line.split()[2]) for line in self._lines() if line.startswith(f"{name} up ")]

    @property
    def told(self) -> list[str]:
        """What an observer of the supervisor was told."""
        return self._told.read_text().splitlines()

    def _lines(self) -> list[str]:
        return self._events.read_text().splitlines() if self._events.exists() else []

    def end(self) -> tuple[int, str]:
        """Wait for the supervisor's end; its exit status and what it said."""
        _, said = self.process.communicate(timeout=30)
        return self.process.returncode, said


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
