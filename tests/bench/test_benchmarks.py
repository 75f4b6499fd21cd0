"""Each benchmark with a handful of messages: it runs to its end, finds all of its figures,
and leaves nothing behind. Peers that are not installed are skipped: they are an extra."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench import needs
from bench.benchmark import Benchmark, Contender
from bench.benchmarks import ALL, idle, intake
from bench.failure import MissingError
from bench.ground import Ground

FEW = {"idle": 1, "start": 1, "latency": 3, "backlog": 200}
"""Of what the benchmark counts; of the others:"""
MESSAGES = 60

TWICE = {"runner, 2 processes", "runner, 1 process, classic", "librabbitmq (C), classic", "runner, concurrency 4"}
"""What differs only in a number from a contender that is run."""
SLOW = {("idle", "runner, RabbitMQ"), ("memory", "runner, embedded broker"), ("memory", "runner, RabbitMQ")}
"""What is the same code as another case, and takes seconds."""


def cases() -> Iterator[object]:
    for benchmark in ALL:
        for contender in benchmark.contenders:
            if contender.name not in TWICE and (benchmark.name, contender.name) not in SLOW:
                yield pytest.param(benchmark, contender, id=f"{benchmark.name}: {contender.name}")


@pytest.mark.parametrize(("benchmark", "contender"), list(cases()))
def test_it_finds_its_figures(
    ground: Ground, benchmark: Benchmark, contender: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "CALM_DOWN", 0.0)
    monkeypatch.setattr(intake, "WARM_UP", 10)
    try:
        needs.check(contender.needs)
    except MissingError as error:
        pytest.skip(str(error))
    figures = contender.measure(ground, FEW.get(benchmark.name, MESSAGES))
    assert set(figures) == {metric.name for metric in benchmark.metrics}
    assert all(value >= 0 for value in figures.values())
    assert figures[benchmark.headline.name] > 0 or benchmark.name == "idle"
    assert not _running_in(ground.root)


def _running_in(folder: Path) -> list[str]:
    """The command lines of the processes whose working folder lies below `folder`."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink().is_relative_to(folder):
                found.append((process / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found
