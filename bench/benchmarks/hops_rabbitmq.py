"""Both hops over RabbitMQ: how many payments a second go all the way.

`payment_queue` is filled beforehand. Then: consume, check, handle, publish to
`notification_queue` (persistent, mandatory, confirmed), and ack only after that; a second
consumer takes from `notification_queue`, checks and acks. The rate comes from the broker's own
counters, from the first delivery to the last acknowledgement.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import NOTIFICATION_SCHEMA, PAYMENT, PAYMENT_SCHEMA
from bench.program import ROOT, Program, finish, processor_time
from bench.rabbitmq import Counts, Ledger, VirtualHost, node_pid, settle, virtual_host

TIMEOUT = 120.0
"""Seconds that one run may take."""
PREFETCH = 2000
"""For the limit, which is fastest with it."""

PIPELINE = f"""
name: bench
broker: "BROKER"
queues:
  payment_queue: {{schema: "{PAYMENT_SCHEMA}", type: TYPE}}
  notification_queue: {{schema: "{NOTIFICATION_SCHEMA}", type: TYPE}}
stages:
  forward: {{consume: payment_queue, handler: "bench.handlers:forward", publish: notification_queue}}
  accept: {{consume: notification_queue, handler: "bench.handlers:accept"}}
"""

Command = Callable[[Ground, VirtualHost], Sequence[str]]


class Run(NamedTuple):
    """What one run showed: the broker's counts, and microseconds of processor time for each
    payment, of the contender and of the broker."""

    counts: Sequence[Counts]
    cpu: float
    broker_cpu: float


@dataclass(frozen=True, slots=True)
class Hops:
    """How one contender does it: its program and, if it differs from the others, how its
    queues are made and filled."""

    command: Command
    queue_type: str = "quorum"
    fill: Sequence[str] = ()
    """A program that makes the queues, and fills the first with as many messages as its last
    argument says: for contenders with their own message format."""
    pipeline: str = ""
    """Ours: the queues are made from it."""

    def measure(self, ground: Ground, messages: int) -> Figures:
        run = self.run(ground, messages)
        return {"rate": messages / span(run.counts), "cpu": run.cpu, "broker_cpu": run.broker_cpu}

    def run(self, ground: Ground, messages: int) -> Run:
        """Do the job, and prove it. Raises ContenderError."""
        node = ground.node
        broker = node_pid(node)
        with ground.folder() as folder, virtual_host(node) as vhost:
            self.prepare(folder, vhost, messages)
            settle(node)
            with (
                Ledger(node, self.queue_type) as ledger,
                Program(self.command(ground, vhost), folder, env={"AMQP_URL": vhost.url}) as program,
            ):
                program.wait_until(lambda: ledger.last.delivered > 0, "the first delivery", poll=0.02)
                began, broker_began = program.cpu(), processor_time(broker)
                program.wait_until(lambda: ledger.last.acked >= 2 * messages, "the last ack", timeout=TIMEOUT)
                used, broker_used = program.cpu() - began, processor_time(broker) - broker_began
            prove(ledger.counts(), messages)
            if left := vhost.depth("payment_queue") + vhost.depth("notification_queue"):
                raise ContenderError(f"{left} messages are left on the queues")
        return Run(ledger.counts(), used / messages * 1e6, broker_used / messages * 1e6)

    def prepare(self, folder: Path, vhost: VirtualHost, messages: int) -> None:
        """Make the queues, and fill the first."""
        if self.fill:
            finish([*self.fill, str(messages)], folder, env={"AMQP_URL": vhost.url}, timeout=TIMEOUT)
            return
        if self.pipeline:
            ours.write(folder, self.pipeline, {"BROKER": vhost.url, "TYPE": self.queue_type})
            ours.declare(folder)
        else:
            vhost.declare("payment_queue", self.queue_type)
            vhost.declare("notification_queue", self.queue_type)
        vhost.fill("payment_queue", messages, lambda _: PAYMENT)


def span(counts: Sequence[Counts]) -> float:
    """Seconds from the first delivery to the last acknowledgement."""
    first = next(sample for sample in counts if sample.delivered)
    last = next(sample for sample in counts if sample.acked == counts[-1].acked)
    return max(last.time - first.time, 1e-6)


def prove(counts: Sequence[Counts], messages: int) -> None:
    """Raises ContenderError if the broker did not see what was promised."""
    last = counts[-1]
    promised = {
        "confirms": (last.confirmed, messages),
        "deliveries that want an ack": (last.delivered_for_ack, 2 * messages),
        "acks": (last.acked, 2 * messages),
        "redeliveries": (last.redelivered, 0),
        "returned messages": (last.returned, 0),
    }
    broken = [f"{seen} {what} instead of {wanted}" for what, (seen, wanted) in promised.items() if seen != wanted]
    if broken:
        raise ContenderError(f"the broker counted {', '.join(broken)}")


# -- the contenders -----------------------------------------------------------------------


def _limit(ground: Ground, vhost: VirtualHost) -> Sequence[str]:
    url = urlsplit(vhost.url)
    arguments = ["127.0.0.1", url.port, vhost.name, url.username, url.password, PREFETCH]
    return [str(ground.compiled("limit")), *map(str, arguments)]


def our_command(*arguments: str) -> Command:
    return lambda _ground, _vhost: [sys.executable, "-m", "runner", "run", *arguments]


def _peer(module: str) -> Command:
    return lambda _ground, _vhost: [sys.executable, "-m", f"bench.peers.{module}"]


def _tool(name: str, *arguments: str) -> Command:
    """A command that came with a Python package."""
    return lambda _ground, _vhost: [sys.executable, "-m", name, *arguments]


def _filler(module: str) -> Sequence[str]:
    return [sys.executable, "-m", f"bench.peers.{module}"]


CELERY = (
    "--app bench.peers.celery_tasks worker --queues payment_queue,notification_queue --pool threads --concurrency 8"
    " --without-gossip --without-mingle --without-heartbeat --loglevel ERROR"
)
LIMIT = Hops(_limit)
OURS = Hops(our_command(), pipeline=PIPELINE)
RASCAL = ROOT / "bench" / "peers" / "rascal"

CONTENDERS = (
    Contender(
        "librabbitmq (C)",
        LIMIT.measure,
        needs=(needs.C_COMPILER, needs.LIBRABBITMQ),
        note="one thread, prefetch 2000, hundreds of confirms outstanding; no JSON, no schemas, no handlers",
    ),
    Contender("runner, 1 process", OURS.measure, note="as it comes: prefetch 500"),
    Contender("runner, 2 processes", Hops(our_command("--processes", "2"), pipeline=PIPELINE).measure),
    Contender(
        "pika BlockingConnection",
        Hops(_peer("pika_blocking")).measure,
        share=0.05,
        note="the tutorials' way: one thread, each publish waits for its confirm; prefetch 100",
    ),
    Contender(
        "rascal",
        Hops(lambda _ground, _vhost: ["node", str(RASCAL / "hops.js")]).measure,
        needs=(needs.NODE, needs.folder(RASCAL / "node_modules", f"npm install --prefix {RASCAL.relative_to(ROOT)}")),
        share=0.05,
        note="prefetch 200, 50 confirm channels, ajv",
    ),
    Contender(
        "FastStream",
        Hops(_peer("faststream_subscribers")).measure,
        needs=(needs.package("faststream"), needs.package("aio_pika"), needs.package("uvloop")),
        share=0.05,
        note="prefetch 200, uvloop",
    ),
    Contender(
        "Celery",
        Hops(_tool("celery", *CELERY.split()), fill=_filler("celery_tasks")).measure,
        needs=(needs.package("celery"),),
        share=0.03,
        note="8 threads (faster here than prefork), acks late, confirms, no results, prefetch multiplier 64",
    ),
    Contender(
        "librabbitmq (C), classic",
        Hops(_limit, "classic").measure,
        needs=(needs.C_COMPILER, needs.LIBRABBITMQ),
        note="classic queues, which are not replicated",
    ),
    Contender(
        "runner, 1 process, classic",
        Hops(our_command(), "classic", pipeline=PIPELINE).measure,
        note="classic queues",
    ),
    Contender(
        "mq-bridge, classic",
        Hops(_peer("mq_bridge_routes"), "classic").measure,
        needs=(needs.package("mq_bridge"),),
        note="Rust core, Python handlers; prefetch and batches of 500; it can't declare quorum queues",
    ),
    Contender(
        "Dramatiq, classic",
        Hops(
            _tool("dramatiq", "bench.peers.dramatiq_actors", "--processes", "1", "--threads", "8"),
            "classic",
            fill=_filler("dramatiq_actors"),
        ).measure,
        needs=(needs.package("dramatiq"),),
        share=0.1,
        note="8 threads, confirms; it declares classic queues",
    ),
)

BENCHMARK = Benchmark(
    name="hops-rabbitmq",
    job="payments from a full queue through two stages over RabbitMQ: checked, published confirmed, acked last, twice",
    leaves_out=(
        "the work of a real handler, retries and dead letters (all succeed), logging, a network: broker and "
        "contenders share this machine's cores. A contender's start isn't timed"
    ),
    metrics=(
        Metric("rate", "payments/s"),
        Metric("cpu", "µs of own CPU each", "less", 1),
        Metric("broker_cpu", "of the broker's", "less", 1),
    ),
    contenders=CONTENDERS,
    messages=40_000,
    ours="runner, 1 process",
    limit="librabbitmq (C)",
    goals=(
        Goal("runner, 1 process", "rate", 0.55, "librabbitmq (C)"),
        Goal("runner, 2 processes", "rate", 0.75, "librabbitmq (C)"),
        Goal("runner, 1 process", "rate", 1.2, "mq-bridge, classic"),
        Goal("runner, 1 process", "rate", 6, "Dramatiq, classic"),
        Goal("runner, 1 process", "rate", 10, "FastStream"),
        Goal("runner, 1 process", "rate", 10, "Celery"),
    ),
)
