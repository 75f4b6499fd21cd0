"""The queues of the broker, against the file: other arguments, messages that nobody takes, dead letters."""

from __future__ import annotations

from collections.abc import Iterator

from runner.brokers.base import Depth
from runner.brokers.registry import connect, survey
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError
from runner.findings import Finding
from runner.topology import plan
from runner.wording import counted, one_line, paused

SUBJECT = "queues"
TIMEOUT = 5.0
"""Seconds that the broker has to answer."""


def queues(loaded: LoadedPipeline) -> Iterator[Finding]:
    pipeline = loaded.pipeline
    try:
        found = survey(pipeline, "doctor")
    except BrokerError as error:
        yield Finding("warning", SUBJECT, f"can't be looked at: {error}", "see what is said of the broker")
        return
    for former in found.renamed:
        lie = f"{counted(former.messages, 'message')} on {former.was}, the former name of {former.queue}"
        yield Finding("fault", SUBJECT, lie, "'runner plan' says what to do")
    for kind in ("exchange", "queue"):
        for name in sorted(set(found.conflicts(kind)) - {former.was for former in found.renamed}):
            yield Finding("fault", SUBJECT, f"{kind} {name} is not as the file has it", "'runner plan' says what to do")
    made = {name for kind, name in found.missing if kind == "queue"}
    if made:
        yield Finding("ok", SUBJECT, f"{counted(len(made), 'queue')} not there yet; the next start makes them")
    there = [name for name in pipeline.queues if name not in made]
    broker = connect(pipeline, "doctor")
    if there:
        broker.start(plan(pipeline), timeout=TIMEOUT, declare=False)
        try:
            depths = broker.depths(there)
        finally:
            broker.close()
        for name, depth in depths.items():
            yield from _of(name, depth, consumed=any(stage.consume == name for stage in pipeline.stages.values()))
        if not found.conflicts("queue"):
            yield Finding("ok", SUBJECT, f"{counted(len(there), 'queue')} as the file has them")


def _of(name: str, depth: Depth, *, consumed: bool) -> Iterator[Finding]:
    if depth.dead:
        letters = f"{counted(depth.dead, 'dead letter')} of {name}"
        yield Finding("warning", SUBJECT, letters, f"'runner dead list --queue {name}' says why")
    waits = depth.ready + depth.delayed
    if consumed and waits and not depth.consumers:
        taken = f"its stage is {paused(one_line(depth.why))}" if depth.paused else "no worker takes them"
        remedy = "end the pause when its cause has gone" if depth.paused else "'runner run' starts one"
        yield Finding("warning", SUBJECT, f"{counted(waits, 'message')} on {name}, and {taken}", remedy)
