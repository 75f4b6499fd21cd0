"""A long queue: whether the last payments of a backlog go as fast as the first, for the same
processor time, and whether the program's memory stays the same.

Both hops, with the handlers of the other benchmarks. The first tenth of the payments includes
the start, and is ignored. The rest is cut into ninety parts, and a straight line fitted to
their rates by the Theil-Sen estimator (its slope is the median of the slopes between any two
parts), which isn't affected when the machine is busy with other things for a while: early and
late are where that line begins and ends. Processor time is that of the program alone, over the
third after the first tenth and over the last third; memory is that of its largest process when
the first tenth has arrived, and when all have.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.benchmarks import hops_embedded, hops_rabbitmq
from bench.clock import Moment, arrived, moments
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import PAYMENT
from bench.program import Program
from bench.rabbitmq import Ledger, settle, virtual_host

TIMEOUT = 1800.0
"""Seconds that one run may take."""
PARTS = 100
"""Of the payments."""
SKIPPED = 10
"""Of these parts, those that include the start."""
WATCH = 0.1
"""Seconds between looks at the program."""
MIB = 1024 * 1024


class Sample(NamedTuple):
    """The program when so many payments had arrived."""

    arrived: int
    cpu: float
    """Seconds that it has used until then."""
    rss: float
    """MiB, of its largest process."""


def embedded(ground: Ground, messages: int) -> Figures:
    every = max(1, messages // PARTS)
    with ground.folder() as folder:
        values = {"BROKER": "embedded:broker.db", "EXPECTED": messages, "EVERY": every}
        ours.write(folder, hops_embedded.PIPELINE, values)
        ours.fill(folder, "payment_queue", messages, PAYMENT)
        clock = folder / "clock"
        with Program([sys.executable, "-m", "runner", "run"], folder) as program:
            samples = _watched(program, lambda: arrived(clock), messages)
        return line_of_rates(moments(clock), messages) | _cost(samples, messages)


@dataclass(frozen=True, slots=True)
class OnRabbitmq:
    """By the broker's own account of what was acked."""

    hops: hops_rabbitmq.Hops

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ExitStack() as stack:
            folder: Path = stack.enter_context(ground.folder())
            vhost = stack.enter_context(virtual_host(ground.node))
            self.hops.prepare(folder, vhost, messages)
            settle(ground.node)
            ledger = stack.enter_context(Ledger(ground.node, self.hops.queue_type))
            program = stack.enter_context(Program(self.hops.command(ground, vhost), folder))
            samples = _watched(program, lambda: ledger.last.acked // 2, messages)
            found = [Moment(counts.time, counts.acked // 2) for counts in ledger.counts()]
        return line_of_rates(found, messages) | _cost(samples, messages)


def _watched(program: Program, progress: Callable[[], int], messages: int) -> list[Sample]:
    """Wait until all have arrived. Returns what was seen on the way."""
    samples: list[Sample] = []

    def done() -> bool:
        largest = max((process.rss for process in program.memory()), default=0)
        samples.append(Sample(progress(), program.cpu(), largest / MIB))
        return samples[-1].arrived == messages

    program.wait_until(done, "the last payment", timeout=TIMEOUT, poll=WATCH)
    return samples


def line_of_rates(found: Sequence[Moment], messages: int) -> dict[str, float]:
    """Payments a second where the line begins and where it ends, and the ratio of the two."""
    if messages < PARTS:
        raise ContenderError(f"{messages} payments are too few to see whether the rate changes")
    marks = [_when(found, messages / PARTS * part) for part in range(SKIPPED, PARTS + 1)]
    rates = [messages / PARTS / (later - one) for one, later in pairwise(marks)]
    numbered = list(enumerate(rates))
    slope = median((b - a) / (m - n) for (n, a), (m, b) in combinations(numbered, 2))
    early = median(rate - slope * number for number, rate in numbered)
    late = early + slope * (len(rates) - 1)
    return {"steady": late / early * 100, "early": early, "late": late}


def _when(found: Sequence[Moment], arrived: float) -> float:
    """When so many had arrived, by a straight line between two moments: between two samples, whole parts may."""
    index = bisect_left(found, arrived, key=lambda moment: moment.arrived)
    before, after = found[index - 1], found[index]
    share = (arrived - before.arrived) / (after.arrived - before.arrived)
    return before.time + share * (after.time - before.time)


def _cost(samples: Sequence[Sample], messages: int) -> dict[str, float]:
    third = (PARTS - SKIPPED) // 3

    def microseconds(begin: Sample, end: Sample) -> float:
        return (end.cpu - begin.cpu) / max(1, end.arrived - begin.arrived) * 1e6

    first, end = _at(samples, messages, SKIPPED), _at(samples, messages, PARTS)
    return {
        "cpu_early": microseconds(first, _at(samples, messages, SKIPPED + third)),
        "cpu_late": microseconds(_at(samples, messages, PARTS - third), end),
        "grown": end.rss / first.rss * 100,
        "memory_early": first.rss,
        "memory_late": end.rss,
    }


def _at(samples: Sequence[Sample], messages: int, part: int) -> Sample:
    """The first sample with so many parts of the payments."""
    return next(sample for sample in samples if sample.arrived >= messages / PARTS * part)


STEADY = Metric("steady", "late, % of early")
EARLY = Metric("early", "each s, early")
LATE = Metric("late", "each s, late")
CPU_EARLY = Metric("cpu_early", "µs CPU, early", "less", 1)
CPU_LATE = Metric("cpu_late", "µs CPU, late", "less", 1)
GROWN = Metric("grown", "memory late, % of early", "less")
MEMORY_EARLY = Metric("memory_early", "MiB, early", "less", 1)
MEMORY_LATE = Metric("memory_late", "MiB, late", "less", 1)
LEAVES_OUT = "the broker's own memory (RabbitMQ), and what a real handler would keep"
OURS = (
    Contender("runner, embedded broker", embedded),
    Contender(
        "runner, RabbitMQ",
        OnRabbitmq(hops_rabbitmq.OURS).measure,
        note="quorum queues, whose node rewrites its log from time to time, which costs both rates",
    ),
)

BACKLOG = Benchmark(
    name="backlog",
    job="a million payments wait: the rate at the end against the rate at the start",
    leaves_out=LEAVES_OUT,
    metrics=(STEADY, EARLY, LATE, CPU_EARLY, CPU_LATE, GROWN, MEMORY_EARLY, MEMORY_LATE),
    contenders=(
        *OURS,
        Contender(
            "librabbitmq (C)",
            OnRabbitmq(hops_rabbitmq.LIMIT).measure,
            needs=(needs.C_COMPILER, needs.LIBRABBITMQ),
            note="what RabbitMQ itself does in the course of a backlog",
        ),
    ),
    messages=1_000_000,
    goals=tuple(
        Goal(contender.name, metric, bound)
        for contender in OURS
        for metric, bound in (("steady", 90.0), ("grown", 110.0))
    ),
    unit="payments",
)
MEMORY = Benchmark(
    name="memory",
    job="200,000 payments: what the worker's memory grows by",
    leaves_out=LEAVES_OUT,
    metrics=(MEMORY_LATE, MEMORY_EARLY),
    contenders=OURS,
    messages=200_000,
    unit="payments",
)
