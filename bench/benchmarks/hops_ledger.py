"""Both hops over RabbitMQ with everything on that a payment needs: each payment's card number lies
sealed on the queue and is opened twice, and both stages run once, with the ledger.

The job is that of `hops_rabbitmq`, whose limit and whose plain runner take part beside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bench import ours
from bench.benchmark import Benchmark, Contender, Figures
from bench.benchmarks import hops_rabbitmq
from bench.benchmarks.hops_rabbitmq import Hops
from bench.goals import Goal
from bench.ground import Ground
from bench.job import NOTIFICATION_SCHEMA, PAYMENT
from bench.program import ROOT
from bench.rabbitmq import VirtualHost
from runner.config.loader import load
from runner.message import Destination, Outgoing, new_id
from runner.pipeline import Route
from runner.routing import Refusal, Router
from runner.topology import plan

PIPELINE = f"""
name: bench
broker: "BROKER"
ledger: "LEDGER"
keys: file:keys
queues:
  payment_queue: {{schema: "{ROOT / "schemas" / "payment.json"}", type: TYPE}}
  notification_queue: {{schema: "{NOTIFICATION_SCHEMA}", type: TYPE}}
stages:
  forward:
    consume: payment_queue
    handler: "bench.handlers:forward"
    publish: notification_queue
    once: true
    reveal: [cardNo]
  accept: {{consume: notification_queue, handler: "bench.handlers:accept", once: true}}
"""


class SealedHops(Hops):
    """The runner, whose first queue is filled as an intake does it: sealed, each under its id."""

    def prepare(self, folder: Path, vhost: VirtualHost, messages: int) -> None:
        ours.write(folder, self.pipeline, {"BROKER": vhost.url, "TYPE": self.queue_type})
        loaded = load(folder / "pipeline.yaml")
        assert loaded.sealer is not None
        loaded.sealer.prepare(production=False)
        queue = loaded.pipeline.stages["forward"].consume
        router = Router([Route((Destination("", queue),))], plan(loaded.pipeline), loaded.schemas, loaded.sealer)
        with ours.broker(folder) as broker:
            for first in range(0, messages, ours.BATCH):
                batch: list[Outgoing] = []
                for _ in range(min(ours.BATCH, messages - first)):
                    routed = router.route_text(PAYMENT, new_id())
                    assert not isinstance(routed, Refusal)
                    batch += routed
                broker.publish(batch, timeout=ours.TIMEOUT)


def _sqlite(_ground: Ground) -> str:
    return "sqlite:ledger.db"


def _postgresql(ground: Ground) -> str:
    return ground.postgres.new_database()


def _with(ledger: Callable[[Ground], str], *arguments: str) -> Callable[[Ground, int], Figures]:
    command = hops_rabbitmq.our_command(*arguments)

    def measure(ground: Ground, messages: int) -> Figures:
        return SealedHops(command, pipeline=PIPELINE.replace("LEDGER", ledger(ground))).measure(ground, messages)

    return measure


LIMIT, PLAIN = hops_rabbitmq.CONTENDERS[:2]
[MQ_BRIDGE] = [one for one in hops_rabbitmq.CONTENDERS if one.name.startswith("mq-bridge")]
SQLITE, POSTGRESQL = "runner, ledger in SQLite", "runner, ledger in PostgreSQL"

BENCHMARK = Benchmark(
    name="hops-ledger",
    job=f"{hops_rabbitmq.BENCHMARK.job}; with a ledger, once, and sealed card numbers where the name says so",
    leaves_out=hops_rabbitmq.BENCHMARK.leaves_out,
    metrics=hops_rabbitmq.BENCHMARK.metrics,
    contenders=(
        LIMIT,
        PLAIN,
        Contender(SQLITE, _with(_sqlite), note="two stages with once, card numbers sealed; 1 process"),
        Contender(f"{SQLITE}, 2 processes", _with(_sqlite, "--processes", "2")),
        Contender(POSTGRESQL, _with(_postgresql), note="the same; the server on the same machine, fsync on"),
        Contender(f"{POSTGRESQL}, 2 processes", _with(_postgresql, "--processes", "2")),
        MQ_BRIDGE,
    ),
    messages=20_000,
    ours=SQLITE,
    limit=LIMIT.name,
    goals=(
        Goal(SQLITE, "rate", 0.5, LIMIT.name),
        Goal(POSTGRESQL, "rate", 0.35, LIMIT.name),
        Goal(SQLITE, "rate", 1.0, MQ_BRIDGE.name),
    ),
)
