"""The intake with a ledger: each payment comes under an Idempotency-Key of its own, which is on disk before
the message is published, and its answer before that is given.

The job is that of `intake`, whose runner without a ledger takes part beside.
"""

from __future__ import annotations

from collections.abc import Callable

from bench import needs
from bench.benchmark import Benchmark, Contender, Figures
from bench.benchmarks import intake
from bench.goals import Goal
from bench.ground import Ground

PIPELINE = intake.PIPELINE.replace("{publish: payment_queue}", "{publish: payment_queue, idempotency: optional}")


def _with(ledger: Callable[[Ground], str]) -> Callable[[Ground, int], Figures]:
    def measure(ground: Ground, messages: int) -> Figures:
        pipeline = f'{PIPELINE}ledger: "{ledger(ground)}"\n'
        return intake.OnRabbitmq(intake.ours_command, declares=True, pipeline=pipeline, keyed=True).measure(
            ground, messages
        )

    return measure


PLAIN = intake.RABBITMQ.contenders[0]
SQLITE, POSTGRESQL = "runner, keys in SQLite", "runner, keys in PostgreSQL"

BENCHMARK = Benchmark(
    name="intake-ledger",
    job=f"{intake.RABBITMQ.job}; each under an Idempotency-Key of its own where the name says so",
    leaves_out=f"{intake.LEAVES_OUT}; requests that are repeated",
    metrics=intake.METRICS,
    contenders=(
        PLAIN,
        Contender(SQLITE, _with(lambda _: "sqlite:ledger.db"), needs=(needs.C_COMPILER,)),
        Contender(
            POSTGRESQL,
            _with(lambda ground: ground.postgres.new_database()),
            needs=(needs.C_COMPILER,),
            note="the server on the same machine, fsync on",
        ),
    ),
    messages=20_000,
    ours=SQLITE,
    unit="requests",
    goals=(Goal(SQLITE, "rate", 0.6, PLAIN.name), Goal(POSTGRESQL, "rate", 0.6, PLAIN.name)),
)
