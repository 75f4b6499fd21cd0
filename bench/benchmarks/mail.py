"""Mails: how many a second the stage `send_email` hands to an SMTP server.

The stage takes its notifications from a queue of the embedded broker, renders a text and an
HTML part, sends, and acks. The rate covers the time from the first mail that the server took
to the last.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from bench import needs, ours
from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.job import NOTIFICATION, ROOT
from bench.program import Program
from bench.sink import Sink

TIMEOUT = 120.0
"""Seconds that one run may take."""
SLOW = 10
"""Milliseconds that a server may take to write a mail to its disk."""

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
    delay: int

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ground.folder() as folder, Sink(ground, folder, self.delay) as sink:
            ours.write(folder, PIPELINE, {"PORT": sink.port, "CONCURRENCY": self.concurrency})
            ours.fill(folder, "notification_queue", messages, NOTIFICATION)
            return _timed([sys.executable, "-m", "runner", "run"], folder, sink, messages)


@dataclass(frozen=True, slots=True)
class Loop:
    delay: int
    arguments: tuple[str, ...] = ()

    def measure(self, ground: Ground, messages: int) -> Figures:
        with ground.folder() as folder, Sink(ground, folder, self.delay) as sink:
            command = [sys.executable, "-m", "bench.peers.flask_mail_loop", str(sink.port), str(messages)]
            return _timed([*command, *self.arguments], folder, sink, messages)


def _timed(command: list[str], folder: Path, sink: Sink, messages: int) -> Figures:
    if messages < 2:
        raise ContenderError("one mail is too few to tell a rate")
    with Program(command, folder) as program:
        program.wait_until(lambda: sink.count() >= 1, "the first mail")
        began = program.cpu()
        program.wait_until(lambda: sink.count() >= messages, "the last mail", timeout=TIMEOUT, poll=0.1)
        used = program.cpu() - began
    mails = sink.mails()
    rate = (messages - 1) / (mails[messages - 1].time - mails[0].time)
    return {"rate": rate, "cpu": used / messages * 1e6}


def _contenders(delay: int, share: float) -> tuple[Contender, ...]:
    """`share`: of the messages, for those that send one mail at a time."""
    compiler = (needs.C_COMPILER,)
    stage = "the stage send_email on the embedded broker: renders, sends on a kept connection, acks"
    loop = "no queue, and the letter is rendered only once"
    return (
        Contender("runner, concurrency 1", Ours(1, delay).measure, compiler, share, stage),
        Contender("runner, concurrency 4", Ours(4, delay).measure, compiler, note="as it is shipped"),
        Contender("runner, concurrency 8", Ours(8, delay).measure, compiler),
        Contender(
            "Mail.send in a loop",
            Loop(delay).measure,
            compiler,
            share,
            note=f"Flask-Mail, a connection for each mail; {loop}",
        ),
        Contender(
            "Mail.connect, kept",
            Loop(delay, ("kept",)).measure,
            compiler,
            share,
            note=f"Flask-Mail, one connection for all; {loop}",
        ),
    )


METRICS = (Metric("rate", "mails/s"), Metric("cpu", "µs of own CPU each", "less", 1))

MAIL = Benchmark(
    name="mail",
    job="notifications from a full queue to an SMTP server: a mail with a text and an HTML part for each",
    leaves_out=(
        "TLS, log-in, a network, and all waiting: the server is on this machine, written in C, and answers at once, "
        "so that this is what a mail costs in processor time. With `mail-waiting` concurrency counts"
    ),
    metrics=METRICS,
    contenders=_contenders(0, 1.0),
    messages=5_000,
    goals=(Goal("runner, concurrency 4", "rate", 2.0, "Mail.send in a loop"),),
    ours="runner, concurrency 4",
    unit="mails",
)
WAITING = Benchmark(
    name="mail-waiting",
    job=f"the same mails to a server that takes {SLOW} ms for each, as one that puts it on a disk first",
    leaves_out="TLS, log-in, and a network, on which each of a mail's five round trips takes as long again",
    metrics=METRICS,
    contenders=_contenders(SLOW, 0.2),
    messages=2_000,
    goals=(
        Goal("runner, concurrency 4", "rate", 2.0, "runner, concurrency 1"),
        Goal("runner, concurrency 8", "rate", 3.0, "runner, concurrency 1"),
    ),
    ours="runner, concurrency 4",
    unit="mails",
)
