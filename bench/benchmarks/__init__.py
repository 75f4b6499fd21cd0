"""The benchmarks, one file each, in the order in which they run."""

from __future__ import annotations

from bench.benchmarks import (
    backlog,
    hops_embedded,
    hops_ledger,
    hops_rabbitmq,
    idle,
    intake,
    intake_ledger,
    latency,
    mail,
    scaling,
    start,
)

ALL = (
    hops_rabbitmq.BENCHMARK,
    hops_ledger.BENCHMARK,
    scaling.BENCHMARK,
    hops_embedded.BENCHMARK,
    intake.RABBITMQ,
    intake_ledger.BENCHMARK,
    intake.EMBEDDED,
    mail.MAIL,
    mail.WAITING,
    latency.BENCHMARK,
    start.BENCHMARK,
    idle.BENCHMARK,
    backlog.MEMORY,
    backlog.BACKLOG,
)
