"""How throughput grows with processes when a handler takes time.

Both hops over RabbitMQ. The first stage's handler waits for 4 ms, like one that asks a
database or another service, in 4 slots per process. The most that one process can do is then
known, and the figures show how much of it is reached as processes are added: the model of
docs/performance.md, tested on a machine. The rate is that of the middle of the run, when all
processes are at work and none has run out of messages.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.benchmarks.hops_rabbitmq import Hops
from bench.ground import Ground
from bench.job import NOTIFICATION_SCHEMA, PAYMENT_SCHEMA
from bench.rabbitmq import Counts

HANDLER = 0.004
"""Seconds that a call of the first handler takes."""
SLOTS = 4
"""Calls of it that a process makes at the same time."""
PREFETCH = 40
"""Low, so that no process still has work when another has run out."""
MIDDLE = (0.2, 0.8)
"""The part of the acks that counts."""

PIPELINE = f"""
name: bench
broker: "BROKER"
queues:
  payment_queue: {{schema: "{PAYMENT_SCHEMA}", type: TYPE}}
  notification_queue: {{schema: "{NOTIFICATION_SCHEMA}", type: TYPE}}
stages:
  forward:
    consume: payment_queue
    handler: bench.handlers:WaitingForward
    settings: {{seconds: {HANDLER}}}
    concurrency: {SLOTS}
    prefetch: {PREFETCH}
    publish: notification_queue
  accept: {{consume: notification_queue, handler: "bench.handlers:accept"}}
"""


@dataclass(frozen=True, slots=True)
class Workers:
    processes: int

    def measure(self, ground: Ground, messages: int) -> Figures:
        command = [sys.executable, "-m", "runner", "run", "--processes", str(self.processes)]
        run = Hops(lambda _ground, _vhost: command, pipeline=PIPELINE).run(ground, messages)
        rate = middle_rate(run.counts)
        possible = self.processes * SLOTS / HANDLER
        return {"rate": rate, "possible": possible, "reached": rate / possible * 100, "cpu": run.cpu}


def middle_rate(counts: Sequence[Counts]) -> float:
    """Payments a second in the middle of the run: from the last sample before it to the first after it, which
    are two, and differ, however few payments there are."""
    first, last = (counts[-1].acked * share for share in MIDDLE)
    begin = next(sample for sample in reversed(counts) if sample.acked < first)
    end = next(sample for sample in counts if sample.acked >= last)
    return (end.acked - begin.acked) / 2 / (end.time - begin.time)


BENCHMARK = Benchmark(
    name="scaling",
    job=f"both hops over RabbitMQ with a handler that waits {HANDLER * 1000:g} ms in {SLOTS} slots a process",
    leaves_out=(
        "machines of their own: all processes and the broker share this one's cores, which in the end is what stops "
        "the growth"
    ),
    metrics=(
        Metric("rate", "payments/s"),
        Metric("possible", "slots allow"),
        Metric("reached", "% of that", digits=1),
        Metric("cpu", "µs of own CPU each", "less", 1),
    ),
    contenders=tuple(
        Contender(f"runner, {number} process{'es' if number > 1 else ''}", Workers(number).measure, share=number / 8)
        for number in (1, 2, 4, 8)
    ),
    messages=40_000,
    unit="payments",
)
