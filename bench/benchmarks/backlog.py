"""A long queue: whether the last payments of a backlog go as fast as the first, and whether
the program's memory stays the same.

Both hops, with the handlers of the other benchmarks. The first tenth of the payments holds
the start, and isn't looked at: rates are those of the second tenth and of the last, memory
is that of the largest process when the first tenth has come, and when all have.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bench import ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.benchmarks.hops_embedded import PIPELINE
from bench.clock import Moment, arrived, moments
from bench.ground import Ground
from bench.job import PAYMENT
from bench.program import Program
from bench.rabbitmq import settle, virtual_host

TIMEOUT = 1800.0
"""Seconds that one run may take."""
WATCH = 0.5
"""Seconds between looks at the memory."""
MIB = 1024 * 1024


class Sample(NamedTuple):
    arrived: int
    rss: float
    """MiB, of the largest process."""


@dataclass(frozen=True, slots=True)
class Backlog:
    rabbitmq: bool = False

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ExitStack() as stack:
            folder = stack.enter_context(ground.folder())
            self._fill(ground, folder, messages, stack)
            program = stack.enter_context(Program([sys.executable, "-m", "runner", "run"], folder))
            samples = _watched(program, folder / "clock", messages)
            return {**_rates(moments(folder / "clock"), messages), **_growth(samples, messages)}

    def _fill(self, ground: Ground, folder: Path, messages: int, stack: ExitStack) -> None:
        every = max(1, messages // 100)
        if self.rabbitmq:
            vhost = stack.enter_context(virtual_host(ground.node))
            ours.write(folder, PIPELINE, {"BROKER": vhost.url, "EXPECTED": messages, "EVERY": every})
            ours.declare(folder)
            vhost.fill("payment_queue", messages, lambda _: PAYMENT)
            settle(ground.node)
        else:
            ours.write(folder, PIPELINE, {"BROKER": "embedded:broker.db", "EXPECTED": messages, "EVERY": every})
            ours.fill(folder, "payment_queue", messages, PAYMENT)


def _watched(program: Program, clock: Path, messages: int) -> list[Sample]:
    """Wait until all have come; what was seen on the way."""
    samples: list[Sample] = []

    def done() -> bool:
        largest = max((process.rss for process in program.memory()), default=0)
        samples.append(Sample(arrived(clock), largest / MIB))
        return samples[-1].arrived == messages

    program.wait_until(done, "the last payment", timeout=TIMEOUT, poll=WATCH)
    return samples


def _rates(found: Sequence[Moment], messages: int) -> Figures:
    """Payments a second over the second and over the last tenth, and what the one is of the other."""

    def at(share: float) -> Moment:
        return next(moment for moment in found if moment.arrived >= messages * share)

    def rate(begin: Moment, end: Moment) -> float:
        return (end.arrived - begin.arrived) / (end.time - begin.time)

    early, late = rate(at(0.1), at(0.2)), rate(at(0.9), at(1.0))
    return {"steady": late / early * 100, "early": early, "late": late}


def _growth(samples: Sequence[Sample], messages: int) -> Figures:
    early = next(sample for sample in samples if sample.arrived >= messages * 0.1)
    return {"memory_early": early.rss, "memory_late": samples[-1].rss}


def _benchmark(name: str, messages: int, job: str, metrics: tuple[Metric, ...]) -> Benchmark:
    return Benchmark(
        name=name,
        job=job,
        leaves_out="the broker's own memory (RabbitMQ), and what a real handler would keep",
        metrics=metrics,
        contenders=(
            Contender("runner, embedded broker", Backlog().measure),
            Contender("runner, RabbitMQ", Backlog(rabbitmq=True).measure, note="quorum queues"),
        ),
        messages=messages,
        ours="runner, embedded broker",
    )


STEADY = Metric("steady", "late, % of early")
EARLY = Metric("early", "payments/s early")
LATE = Metric("late", "payments/s late")
MEMORY_EARLY = Metric("memory_early", "MiB RSS early", "less", 1)
MEMORY_LATE = Metric("memory_late", "MiB RSS late", "less", 1)

BACKLOG = _benchmark(
    "backlog",
    1_000_000,
    "a million payments wait: the rate at the end against the rate at the start",
    (STEADY, EARLY, LATE, MEMORY_EARLY, MEMORY_LATE),
)
MEMORY = _benchmark(
    "memory",
    200_000,
    "200,000 payments: what the worker's memory grows by",
    (MEMORY_LATE, MEMORY_EARLY),
)
