"""The intake: how many payments a second are answered 202. Each contender answers so only
after its broker has confirmed the message, or its file is committed.

32 open connections post the same payment again and again: first as fast as the answers come,
then at half of the rate that was reached. Nothing consumes meanwhile. Whatever was answered
must be on the queue, message for message.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import PAYMENT, PAYMENT_SCHEMA
from bench.load import load, post
from bench.ports import free_port
from bench.program import Program, finish
from bench.rabbitmq import Ledger, VirtualHost, settle, virtual_host

PATH = "/make-payment"
WARM_UP = 100
"""Requests before the timing begins."""

PIPELINE = f"""
name: bench
broker: "BROKER"
http:
  listen: 127.0.0.1:PORT
  routes:
    POST {PATH}: {{publish: payment_queue}}
queues:
  payment_queue: {{schema: "{PAYMENT_SCHEMA}"}}
stages:
  accept: {{consume: payment_queue, handler: "bench.handlers:accept"}}
"""

Command = Callable[[int], Sequence[str]]
"""From the port that it should listen on."""


def ours_command(_port: int) -> Sequence[str]:
    return [sys.executable, "-m", "runner", "run", "--only", "intake"]


def _granian(app: str) -> Command:
    def command(port: int) -> Sequence[str]:
        options = ["--interface", "wsgi", "--blocking-threads", "32", "--no-access-log", "--log-level", "error"]
        return [sys.executable, "-m", "granian", *options, "--port", str(port), f"bench.peers.{app}:app"]

    return command


def _uvicorn(app: str) -> Command:
    def command(port: int) -> Sequence[str]:
        options = ["--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", *options, "--port", str(port), f"bench.peers.{app}:app"]

    return command


def _mq_bridge(port: int) -> Sequence[str]:
    return [sys.executable, "-m", "bench.peers.mq_bridge_http", str(port)]


def pressed(
    ground: Ground, folder: Path, program: Program, port: int, requests: int, *, keyed: bool = False
) -> tuple[Figures, int]:
    """What a server can do, and how many payments it took to find out."""
    program.wait_until(lambda: post(port, PATH, PAYMENT) == 202, "answering 202", poll=0.05)
    load(ground, folder, port, PATH, PAYMENT, WARM_UP, keyed=keyed)
    began = program.cpu()
    full = load(ground, folder, port, PATH, PAYMENT, requests, keyed=keyed)
    cpu = (program.cpu() - began) / requests * 1e6
    at_half = max(1, requests // 2)
    half = load(ground, folder, port, PATH, PAYMENT, at_half, rate=full.rate / 2, keyed=keyed)
    figures = {"rate": full.rate, "cpu": cpu, "p50": full.p50, "p99": full.p99}
    return figures | {"half_p50": half.p50, "half_p99": half.p99}, 1 + WARM_UP + requests + at_half


def _expect(taken: int, found: int) -> None:
    if found != taken:
        raise ContenderError(f"{taken} payments were answered 202, and {found} are on the queue")


@dataclass(frozen=True, slots=True)
class OnRabbitmq:
    command: Command
    declares: bool = False
    """Ours: it declares the queue itself."""
    pipeline: str = PIPELINE
    """Ours."""
    keyed: bool = False
    """Whether each request has an Idempotency-Key."""

    def measure(self, ground: Ground, messages: int) -> Figures:
        port = free_port()
        with ground.folder() as folder, virtual_host(ground.node) as vhost:
            self._prepare(folder, vhost, port)
            settle(ground.node)
            with (
                Ledger(ground.node, "quorum") as ledger,
                Program(self.command(port), folder, env={"AMQP_URL": vhost.url}) as program,
            ):
                figures, taken = pressed(ground, folder, program, port, messages, keyed=self.keyed)
                program.wait_until(lambda: ledger.last.confirmed >= taken, "all confirms", timeout=10.0)
            _expect(taken, vhost.depth("payment_queue"))
        return figures

    def _prepare(self, folder: Path, vhost: VirtualHost, port: int) -> None:
        if self.declares:
            ours.write(folder, self.pipeline, {"BROKER": vhost.url, "PORT": port})
            ours.declare(folder)
        else:
            vhost.declare("payment_queue", "quorum")


def _ours_embedded(ground: Ground, messages: int) -> Figures:
    port = free_port()
    with ground.folder() as folder:
        ours.write(folder, PIPELINE, {"BROKER": "embedded:broker.db", "PORT": port})
        with Program(ours_command(port), folder) as program:
            figures, taken = pressed(ground, folder, program, port, messages)
        _expect(taken, ours.depth(folder, "payment_queue").ready)
    return figures


def _flask_huey(ground: Ground, messages: int) -> Figures:
    port = free_port()
    with ground.folder() as folder:
        with Program(_granian("flask_huey")(port), folder) as program:
            figures, taken = pressed(ground, folder, program, port, messages)
        _expect(taken, int(finish([sys.executable, "-m", "bench.peers.huey_tasks", "left"], folder, timeout=30.0)))
    return figures


METRICS = (
    Metric("rate", "requests/s"),
    Metric("cpu", "µs of own CPU each", "less", 1),
    Metric("p50", "p50 ms", "less", 1),
    Metric("p99", "p99 ms", "less", 1),
    Metric("half_p50", "p50 ms, half load", "less", 1),
    Metric("half_p99", "p99 ms, half load", "less", 1),
)
LEAVES_OUT = (
    "TLS, a network, and workers that consume meanwhile: load generator, server and broker share this "
    "machine's cores. One body, always valid"
)

RABBITMQ = Benchmark(
    name="intake-rabbitmq",
    job="POST /make-payment over 32 kept connections, 202 once RabbitMQ has confirmed (persistent, a quorum queue)",
    leaves_out=LEAVES_OUT,
    metrics=METRICS,
    contenders=(
        Contender(
            "runner",
            OnRabbitmq(ours_command, declares=True).measure,
            needs=(needs.C_COMPILER,),
            note="runner run --only intake, as it comes: one process",
        ),
        Contender(
            "mq-bridge",
            OnRabbitmq(_mq_bridge).measure,
            needs=(needs.C_COMPILER, needs.package("mq_bridge")),
            note="its Rust HTTP server; it checks no schema",
        ),
        Contender(
            "FastAPI, aio-pika",
            OnRabbitmq(_uvicorn("fastapi_aio_pika")).measure,
            needs=(needs.C_COMPILER, needs.package("fastapi"), needs.package("uvicorn"), needs.package("aio_pika")),
            share=0.3,
            note="uvicorn, uvloop, httptools; one process (two were no faster)",
        ),
        Contender(
            "Flask, a connection per request",
            OnRabbitmq(_granian("flask_per_request")).measure,
            needs=(needs.C_COMPILER,),
            share=0.05,
            note="the tutorial way, with confirms; served by granian with 32 threads",
        ),
    ),
    messages=20_000,
    ours="runner",
    unit="requests",
    goals=(
        Goal("runner", "rate", 1.0, "mq-bridge"),
        Goal("runner", "rate", 12, "Flask, a connection per request"),
        Goal("runner", "half_p99", 50.0),
    ),
)

EMBEDDED = Benchmark(
    name="intake-embedded",
    job="POST /make-payment over 32 kept connections, 202 once it is committed to a file (synchronous=FULL)",
    leaves_out=LEAVES_OUT,
    metrics=METRICS,
    contenders=(
        Contender(
            "runner",
            _ours_embedded,
            needs=(needs.C_COMPILER,),
            note="runner run --only intake, as it comes: one process",
        ),
        Contender(
            "Flask, huey",
            _flask_huey,
            needs=(needs.C_COMPILER, needs.package("huey")),
            share=0.2,
            note="a task in SQLite for each request, with fsync; served by granian with 32 threads",
        ),
    ),
    messages=20_000,
    ours="runner",
    unit="requests",
)
