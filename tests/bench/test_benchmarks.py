"""Each benchmark with a handful of messages: it runs to its end, finds all its figures,
and leaves nothing behind. Peers, which are an extra, are tried only if they are installed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench import needs
from bench.benchmark import Benchmark, Contender
from bench.benchmarks import ALL, backlog, idle, intake, scaling
from bench.clock import Moment
from bench.failure import MissingError
from bench.ground import Ground
from bench.rabbitmq import Counts
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


def acked(*samples: tuple[float, int]) -> list[Counts]:
    """What the broker has counted: two acks for each payment."""
    return [Counts(time, 2 * payments, 2 * payments, 2 * payments, 0, payments, 0) for time, payments in samples]


@pytest.mark.parametrize(
    "samples",
    [
        [(10.0, 0), (11.0, 60)],
        [(1.0, 0), (10.0, 11), (11.0, 71), (12.0, 72)],
        [(1.0, 0), (9.0, 0), (10.0, 10), (10.5, 40), (11.0, 70), (20.0, 80)],
    ],
)
def test_the_rate_in_the_middle_is_found_however_the_samples_fall(samples: list[tuple[float, int]]) -> None:
    assert scaling.middle_rate(acked(*samples)) == 60


@pytest.mark.parametrize("marks", [(0, 1000), (0, 130, 1000), (0, 500, 510, 1000), tuple(range(1001))])
def test_the_line_of_rates_is_found_however_the_samples_fall(marks: tuple[int, ...]) -> None:
    found = [Moment(5.0 + arrived / 200, arrived) for arrived in marks]
    assert backlog.line_of_rates(found, 1000) == pytest.approx({"steady": 100, "early": 200, "late": 200})


def test_a_rate_that_falls_shows_in_the_line() -> None:
    found = [Moment(0.0, 0)]
    for part in range(1, backlog.PARTS + 1):
        found.append(Moment(found[-1].time + 10 / (300 - part), 10 * part))
    figures = backlog.line_of_rates(found, 1000)
    assert figures == pytest.approx({"early": 289, "late": 200, "steady": 200 / 289 * 100})
