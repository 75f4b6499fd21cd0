"""The contenders of a benchmark in turn, again and again: A B C A B C …, so that whatever
changes on the machine meanwhile changes for all of them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Collection

from bench import needs
from bench.benchmark import Benchmark, Contender
from bench.failure import ContenderError, MissingError
from bench.ground import Ground
from bench.record import Entry, Record

Say = Callable[[str], None]


def race(
    benchmark: Benchmark, ground: Ground, *, messages: int, repeat: int, only: Collection[str] = (), say: Say
) -> Record:
    """Run it `repeat` times; `only` names the contenders (empty: all). One that is missing or
    fails is reported as such, isn't tried again, and doesn't stop the others."""
    chosen = [one for one in benchmark.contenders if not only or one.name in only]
    entries = [Entry(contender, contender.messages(messages)) for contender in chosen]
    for number in range(1, repeat + 1):
        for entry in entries:
            if not entry.failure:
                _run(entry, ground)
                say(f"{benchmark.name} {number}/{repeat}  {entry.contender.name}: {_told(benchmark, entry)}")
    return Record(benchmark, repeat, entries)


def _run(entry: Entry, ground: Ground) -> None:
    contender: Contender = entry.contender
    try:
        needs.check(contender.needs)
        entry.runs.append(contender.measure(ground, entry.messages))
    except MissingError as error:
        entry.failure, entry.missing = str(error), True
    except (ContenderError, OSError, subprocess.SubprocessError) as error:
        entry.failure = str(error)


def _told(benchmark: Benchmark, entry: Entry) -> str:
    if entry.failure:
        return f"left out, {entry.failure}" if entry.missing else f"failed, {entry.failure}"
    found = entry.runs[-1]
    return ", ".join(f"{one.text(found[one.name])} {one.unit}" for one in benchmark.metrics if one.name in found)
