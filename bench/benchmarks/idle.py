"""What the shipped pipeline costs while nothing happens: processor time and memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.goals import Goal
from bench.ground import Ground
from bench.program import Memory, Program
from bench.shipped import Shipped

CALM_DOWN = 2.0
"""Seconds after the start that don't count."""
MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Idle:
    rabbitmq: bool = False

    def measure(self, ground: Ground, seconds: int) -> Figures:
        with ground.folder() as folder, Shipped(ground, folder, rabbitmq=self.rabbitmq) as shipped:
            time.sleep(CALM_DOWN)
            share = _share(shipped.program, seconds)
            return {"cpu": share, **_sizes(shipped.program.memory())}


def _share(program: Program, seconds: int) -> float:
    """Percent of one core, all processes together."""
    before, began = program.cpu(), time.monotonic()
    time.sleep(seconds)
    return (program.cpu() - before) / (time.monotonic() - began) * 100


def _sizes(processes: Sequence[Memory]) -> Figures:
    return {
        "rss": max(process.rss for process in processes) / MIB,
        "pss": max(process.pss for process in processes) / MIB,
        "total": sum(process.pss for process in processes) / MIB,
        "processes": len(processes),
    }


BENCHMARK = Benchmark(
    name="idle",
    job="the shipped pipeline with nothing to do: supervisor, intake, worker and mailbox",
    leaves_out="the broker's own process (RabbitMQ), and metrics scrapers or probes that call",
    metrics=(
        Metric("cpu", "% of a core", "less", 2),
        Metric("rss", "MiB RSS, largest", "less", 1),
        Metric("pss", "MiB PSS, largest", "less", 1),
        Metric("total", "MiB PSS, all", "less", 1),
        Metric("processes", "processes", "less"),
    ),
    contenders=(
        Contender("runner, embedded broker", Idle().measure),
        Contender("runner, RabbitMQ", Idle(rabbitmq=True).measure),
    ),
    messages=30,
    goals=tuple(
        Goal(f"runner, {broker}", metric, bound)
        for metric, bound in (("cpu", 1.0), ("rss", 60.0))
        for broker in ("embedded broker", "RabbitMQ")
    ),
    ours="runner, embedded broker",
    unit="seconds",
)
