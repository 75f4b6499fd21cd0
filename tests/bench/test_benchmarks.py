"""Each benchmark with a handful of messages: it runs to its end, finds all its figures,
and leaves nothing behind. Peers, which are an extra, are tried only if they are installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import needs
from bench.benchmark import Benchmark, Contender
from bench.benchmarks import ALL, idle, intake
from bench.failure import MissingError
from bench.ground import Ground
from tests.bench.processes import running_in

FEW = {"idle": 1, "start": 1, "latency": 3, "backlog": 20_000}
"""Of what the benchmark counts; of the others:"""
MESSAGES = 60

SAME_BENCHMARKS = {"memory", "mail-waiting"}
SAME_CONTENDERS = {
    "runner, 2 processes",
    "runner, 4 processes",
    "runner, ledger in SQLite, 2 processes",
    "runner, ledger in PostgreSQL, 2 processes",
    "runner, 1 process, classic",
    "librabbitmq (C), classic",
    "runner, concurrency 1",
    "runner, concurrency 8",
}
SAME_CASES = {("idle", "runner, embedded broker"), ("start", "runner, embedded broker")}
"""What differs hardly from something that is run."""


def cases() -> Iterator[object]:
    for benchmark in (one for one in ALL if one.name not in SAME_BENCHMARKS):
        for contender in benchmark.contenders:
            same = contender.name in SAME_CONTENDERS or (benchmark.name, contender.name) in SAME_CASES
            if not same and _is_installed(contender):
                yield pytest.param(benchmark, contender, id=f"{benchmark.name}: {contender.name}")


def _is_installed(contender: Contender) -> bool:
    try:
        needs.check(contender.needs)
    except MissingError:
        return False
    return True


@pytest.mark.parametrize(("benchmark", "contender"), list(cases()))
def test_it_finds_its_figures(
    ground: Ground, benchmark: Benchmark, contender: Contender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idle, "CALM_DOWN", 0.0)
    monkeypatch.setattr(intake, "WARM_UP", 10)
    figures = contender.measure(ground, FEW.get(benchmark.name, MESSAGES))
    assert set(figures) == {metric.name for metric in benchmark.metrics}
    assert all(value >= 0 for value in figures.values())
    assert figures[benchmark.headline.name] > 0 or benchmark.name == "idle"
    assert not running_in(ground.root)
