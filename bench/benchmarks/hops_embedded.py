"""Both hops without a broker to install: how many payments a second go all the way through
queues in SQLite files, each step committed with `synchronous=FULL`.

The first queue is filled beforehand. The rate covers the time from the first payment taken to
the last notification that arrives; afterwards the queues must be empty.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.clock import arrived, moments
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import NOTIFICATION_SCHEMA, PAYMENT, PAYMENT_SCHEMA
from bench.program import Program, finish

TIMEOUT = 120.0
"""Seconds that one run may take."""

PIPELINE = f"""
name: bench
broker: "BROKER"
queues:
  payment_queue: {{schema: "{PAYMENT_SCHEMA}"}}
  notification_queue: {{schema: "{NOTIFICATION_SCHEMA}"}}
stages:
  forward:
    consume: payment_queue
    handler: bench.handlers:TimedForward
    settings: {{file: clock}}
    publish: notification_queue
  accept:
    consume: notification_queue
    handler: bench.handlers:TimedAccept
    settings: {{file: clock, expected: EXPECTED, every: EVERY}}
"""


def measure_ours(ground: Ground, messages: int) -> Figures:
    """`runner run`, with its defaults."""
    with ground.folder() as folder:
        ours.write(folder, PIPELINE, {"BROKER": "embedded:broker.db", "EXPECTED": messages, "EVERY": messages})
        ours.fill(folder, "payment_queue", messages, PAYMENT)
        figures = timed([sys.executable, "-m", "runner", "run"], folder, messages)
        _expect_none(ours.left(folder, "payment_queue", "notification_queue"))
    return figures


def timed(command: Sequence[str], folder: Path, messages: int) -> Figures:
    """Run a program that notes the time in `clock`, until all have arrived."""
    clock = folder / "clock"
    with Program(command, folder) as program:
        program.wait_until(clock.exists, "the first payment")
        began = program.cpu()
        program.wait_until(lambda: arrived(clock) == messages, "the last notification", timeout=TIMEOUT, poll=0.02)
        used = program.cpu() - began
    found = moments(clock)
    return {"rate": messages / (found[-1].time - found[0].time), "cpu": used / messages * 1e6}


def _expect_none(left: int) -> None:
    if left:
        raise ContenderError(f"{left} messages are left on the queues")


@dataclass(frozen=True, slots=True)
class Peer:
    """A program with the command line of `bench.peers.embedded`."""

    module: str

    def measure(self, ground: Ground, messages: int) -> Figures:
        command = [sys.executable, "-m", f"bench.peers.{self.module}"]
        with ground.folder() as folder:
            finish([*command, "fill", str(messages)], folder, timeout=TIMEOUT)
            figures = timed([*command, "run", str(messages)], folder, messages)
            _expect_none(int(finish([*command, "left"], folder, timeout=TIMEOUT)))
        return figures


BENCHMARK = Benchmark(
    name="hops-embedded",
    job="payments from a full queue through two stages on one machine, without a broker: checked and committed twice",
    leaves_out=(
        "the work of a real handler, retries and dead letters (all succeed). The peers do less: none of them "
        "redelivers what a killed process had in hand and delays and serves several processes; none publishes "
        "and acknowledges in one transaction"
    ),
    metrics=(Metric("rate", "payments/s"), Metric("cpu", "µs of own CPU each", "less", 1)),
    contenders=(
        Contender("runner, 1 process", measure_ours, note="as it comes"),
        Contender(
            "huey",
            Peer("huey_tasks").measure,
            needs=(needs.package("huey"),),
            share=0.1,
            note="SqliteHuey with fsync, 4 threads, no results; a task in hand is lost with its process",
        ),
        Contender(
            "litequeue",
            Peer("litequeue_loop").measure,
            needs=(needs.package("litequeue"),),
            share=0.05,
            note="a thread for each hop, synchronous=FULL; what a killed process had in hand stays locked",
        ),
        Contender(
            "persist-queue",
            Peer("persist_queue_loop").measure,
            needs=(needs.package("persistqueue"),),
            share=0.1,
            note="SQLiteAckQueue, a thread for each hop, synchronous=FULL; one process at a time",
        ),
    ),
    messages=40_000,
    ours="runner, 1 process",
    goals=(
        Goal("runner, 1 process", "rate", 10_000),
        *(Goal("runner, 1 process", "rate", 2, peer) for peer in ("huey", "litequeue", "persist-queue")),
    ),
)
