"""How long it takes to check the shipped pipeline, and until it is ready."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass

from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.goals import Goal
from bench.ground import Ground
from bench.program import ROOT, finish
from bench.shipped import Shipped


@dataclass(frozen=True, slots=True)
class Start:
    rabbitmq: bool = False

    def measure(self, ground: Ground, starts: int) -> Figures:
        """The best of so many starts: whatever else the machine does only makes them longer."""
        checks, readies = [], []
        for _ in range(starts):
            checks.append(_check())
            with ground.folder() as folder, Shipped(ground, folder, rabbitmq=self.rabbitmq) as shipped:
                readies.append(shipped.ready_after)
        return {"ready": min(readies), "check": min(checks)}


def _check() -> float:
    began = time.monotonic()
    finish([sys.executable, "-m", "runner", "check", "pipeline.yaml"], ROOT, timeout=30.0)
    return time.monotonic() - began


BENCHMARK = Benchmark(
    name="start",
    job="the shipped pipeline from its command to `/health/pipeline` answering 200; `runner check` from start to end",
    leaves_out="a cold disk cache (the files have been read before), and a broker that has to be waited for",
    metrics=(Metric("ready", "until ready, s", "less", 2), Metric("check", "runner check, s", "less", 2)),
    contenders=(
        Contender("runner, embedded broker", Start().measure),
        Contender("runner, RabbitMQ", Start(rabbitmq=True).measure),
    ),
    messages=3,
    goals=tuple(
        Goal(f"runner, {broker}", metric, bound)
        for metric, bound in (("check", 0.2), ("ready", 1.5))
        for broker in ("embedded broker", "RabbitMQ")
    ),
    ours="runner, embedded broker",
    unit="starts",
)
