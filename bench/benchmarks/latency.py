"""From the POST to the mail: how long one payment takes through the shipped pipeline when
there is nothing else to do.

One payment at a time; the next one follows a moment after the mail of the last was taken.
The time runs from before the request is sent until the SMTP server has the whole mail: the
intake, three stages, and the broker in between.
"""

from __future__ import annotations

import http.client
import json
import random
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from bench import needs
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import PAYMENT
from bench.shipped import Shipped
from bench.sink import Sink

WARM_UP = 20
"""Payments before the timing begins."""
TIMEOUT = 10.0
"""Seconds that one payment may take."""


@dataclass(frozen=True, slots=True)
class Journey:
    rabbitmq: bool = False

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ExitStack() as stack:
            folder = stack.enter_context(ground.folder())
            sink = stack.enter_context(Sink(ground, folder))
            shipped = stack.enter_context(Shipped(ground, folder, rabbitmq=self.rabbitmq, mail_port=sink.port))
            client = http.client.HTTPConnection("127.0.0.1", shipped.port, timeout=TIMEOUT)
            stack.callback(client.close)
            times = [_journey(client, sink, number) for number in range(WARM_UP + messages)]
        return percentiles(times[WARM_UP:])


def _journey(client: http.client.HTTPConnection, sink: Sink, before: int) -> float:
    """Milliseconds from the request to the mail, which is mail number `before` + 1."""
    time.sleep(random.uniform(0.005, 0.015))
    began = time.monotonic()
    client.request("POST", "/make-payment", PAYMENT, {"Content-Type": "application/json"})
    answer = client.getresponse()
    payment_id = json.loads(answer.read()).get("id", "")
    if answer.status != 202:
        raise ContenderError(f"the intake answered {answer.status}")
    sink.wait_until(lambda: sink.count() > before, "the mail", timeout=TIMEOUT, poll=0.001)
    mail = sink.mails()[before]
    if payment_id not in mail.id:
        raise ContenderError(f"payment {payment_id} was followed by mail {mail.id}")
    return (mail.time - began) * 1e3


def percentiles(times: Sequence[float]) -> Figures:
    ranked = sorted(times)
    return {"p50": ranked[len(ranked) // 2], "p99": ranked[(len(ranked) - 1) * 99 // 100], "max": ranked[-1]}


BENCHMARK = Benchmark(
    name="latency",
    job="POST /make-payment to the mail taken by SMTP, the shipped pipeline, one payment at a time",
    leaves_out="a network, TLS, a real payment gateway (the simulated one answers at once), and any load",
    metrics=(
        Metric("p50", "p50 ms", "less", 1),
        Metric("p99", "p99 ms", "less", 1),
        Metric("max", "max ms", "less", 1),
    ),
    contenders=(
        Contender("runner, embedded broker", Journey().measure, needs=(needs.C_COMPILER,)),
        Contender("runner, RabbitMQ", Journey(rabbitmq=True).measure, needs=(needs.C_COMPILER,), note="quorum queues"),
    ),
    messages=300,
    goals=tuple(
        Goal(f"runner, {broker}", metric, bound)
        for metric, bound in (("p50", 10.0), ("p99", 40.0))
        for broker in ("embedded broker", "RabbitMQ")
    ),
    ours="runner, embedded broker",
    unit="payments",
)
