"""Mails: how many a second the stage `send_email` hands to an SMTP server.

The stage takes its notifications from a queue of the embedded broker, renders a text and an
HTML part, sends, and acks. The rate is from the first mail to the last that the server took.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.ground import Ground
from bench.job import NOTIFICATION, ROOT
from bench.program import Program
from bench.sink import Sink

TIMEOUT = 120.0
"""Seconds that one run may take."""

PIPELINE = f"""
name: bench
broker: embedded:broker.db
queues:
  notification_queue: {{schema: "{ROOT}/schemas/notification.json"}}
stages:
  send_email:
    consume: notification_queue
    handler: stages.send_email:SendEmail
    settings: {{server: 127.0.0.1, port: PORT, default_sender: payments@example.com}}
    concurrency: CONCURRENCY
"""


@dataclass(frozen=True, slots=True)
class Ours:
    concurrency: int

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ground.folder() as folder, Sink(ground, folder) as sink:
            ours.write(folder, PIPELINE, {"PORT": sink.port, "CONCURRENCY": self.concurrency})
            ours.fill(folder, "notification_queue", messages, NOTIFICATION)
            return _timed([sys.executable, "-m", "runner", "run"], folder, sink, messages)


@dataclass(frozen=True, slots=True)
class Loop:
    arguments: tuple[str, ...] = ()

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ground.folder() as folder, Sink(ground, folder) as sink:
            command = [sys.executable, "-m", "bench.peers.flask_mail_loop", str(sink.port), str(messages)]
            return _timed([*command, *self.arguments], folder, sink, messages)


def _timed(command: list[str], folder: Path, sink: Sink, messages: int) -> Figures:
    with Program(command, folder) as program:
        program.wait_until(lambda: sink.count() >= messages, "the last mail", timeout=TIMEOUT, poll=0.1)
    mails = sink.mails()
    return {"rate": (messages - 1) / (mails[messages - 1].time - mails[0].time)}


BENCHMARK = Benchmark(
    name="mail",
    job="notifications from a full queue to an SMTP server: a mail with a text and an HTML part for each",
    leaves_out=(
        "TLS, log-in, and a network: the server is on this machine, written in C, and answers at once, so that a "
        "mail costs no waiting. With a real one, a mail is a few round trips, and concurrency counts for more"
    ),
    metrics=(Metric("rate", "mails/s"),),
    contenders=(
        Contender(
            "runner, concurrency 1",
            Ours(1).measure,
            needs=(needs.C_COMPILER,),
            note="the stage send_email on the embedded broker: renders, sends on a kept connection, acks",
        ),
        Contender("runner, concurrency 4", Ours(4).measure, needs=(needs.C_COMPILER,), note="as it is shipped"),
        Contender("runner, concurrency 8", Ours(8).measure, needs=(needs.C_COMPILER,)),
        Contender(
            "Mail.send in a loop",
            Loop().measure,
            needs=(needs.C_COMPILER,),
            note="Flask-Mail, a connection for each mail; no queue, and the letter is rendered only once",
        ),
        Contender(
            "Mail.connect, kept",
            Loop(("kept",)).measure,
            needs=(needs.C_COMPILER,),
            note="Flask-Mail, one connection for all; no queue, and the letter is rendered only once",
        ),
    ),
    messages=5_000,
    ours="runner, concurrency 4",
    unit="mails",
)
