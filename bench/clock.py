"""When a job without a broker began, how it progressed, and when it ended: lines of
`SECONDS ARRIVED` in a file, written by the process that does the job.

SECONDS is the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from typing import NamedTuple


class Moment(NamedTuple):
    time: float
    arrived: int


class Clock:
    """Writes the file: a line for the first payment, one for every `every` arrivals at the end
    of the line, and one for the last of `expected`. Several threads may use it."""

    def __init__(self, file: Path, expected: int, every: int = 0) -> None:
        self._file = file
        self._expected = expected
        self._every = every or expected
        self._arrivals = itertools.count(1)
        self._begun = False

    def begin(self) -> None:
        """A payment was taken."""
        if not self._begun:
            self._begun = True
            self._note(0)

    def arrive(self) -> None:
        """A notification arrived at the end of the line."""
        arrived = next(self._arrivals)
        if arrived % self._every == 0 or arrived == self._expected:
            self._note(arrived)

    def _note(self, arrived: int) -> None:
        with self._file.open("a") as file:
            file.write(f"{time.monotonic():.6f} {arrived}\n")


def moments(file: Path) -> list[Moment]:
    """What has been written until now."""
    if not file.exists():
        return []
    text = file.read_text()
    whole = text[: text.rfind("\n") + 1]
    return [Moment(float(time), int(arrived)) for time, arrived in map(str.split, whole.splitlines())]


def arrived(file: Path) -> int:
    found = moments(file)
    return found[-1].arrived if found else 0
