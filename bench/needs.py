"""What a contender needs on this machine, and how to get it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from bench.failure import MissingError

EXTRA = "pip install -e '.[bench]'"


class Need(NamedTuple):
    name: str
    present: Callable[[], bool]
    how: str


def check(needs: Iterable[Need]) -> None:
    """Raises MissingError, which says how to install what isn't here."""
    missing = [need for need in needs if not need.present()]
    if missing:
        names = ", ".join(need.name for need in missing)
        hows = "; ".join(dict.fromkeys(need.how for need in missing))
        raise MissingError(f"{names} not installed; to get it: {hows}")


def package(module: str) -> Need:
    """A Python package, by a module of it."""
    return Need(module, lambda: importlib.util.find_spec(module) is not None, EXTRA)


def program(name: str, how: str) -> Need:
    """A program on the PATH."""
    return Need(name, lambda: shutil.which(name) is not None, how)


def header(name: str, how: str) -> Need:
    """A C header that the compiler finds."""

    def present() -> bool:
        compiler = shutil.which("cc")
        if compiler is None:
            return False
        command = [compiler, "-E", "-x", "c", "-"]
        text = f"#include <{name}>\n".encode()
        return subprocess.run(command, input=text, capture_output=True, check=False).returncode == 0

    return Need(name, present, how)


def folder(path: Path, how: str) -> Need:
    """A folder that an installer makes."""
    return Need(path.name, path.is_dir, how)


C_COMPILER = program("cc", "apt-get install gcc libc6-dev")
LIBRABBITMQ = header("amqp.h", "apt-get install librabbitmq-dev")
NODE = program("node", "apt-get install nodejs npm")
