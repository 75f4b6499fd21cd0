"""docs/performance.md describes every benchmark and every contender."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.benchmark import Benchmark
from bench.benchmarks import ALL

PAGE = (Path(__file__).parents[2] / "docs/performance.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("benchmark", ALL, ids=lambda benchmark: benchmark.name)
def test_every_benchmark_and_its_contenders_are_described(benchmark: Benchmark) -> None:
    assert f"\n| `{benchmark.name}` |" in PAGE
    for contender in benchmark.contenders:
        name = contender.name.removesuffix(", classic")
        assert f"\n| {name.split(',')[0] if name.startswith('runner') else name}" in PAGE


@pytest.mark.parametrize("benchmark", [one for one in ALL if one.goals], ids=lambda benchmark: benchmark.name)
def test_a_goal_is_of_a_contender_and_a_metric_that_there_are(benchmark: Benchmark) -> None:
    names = {contender.name for contender in benchmark.contenders}
    metrics = {metric.name for metric in benchmark.metrics}
    for goal in benchmark.goals:
        assert {goal.contender, goal.against} <= names | {""}
        assert goal.metric in metrics
