"""`runner move`: takes all messages of a pipeline from the embedded broker to RabbitMQ, or to another file."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack
from pathlib import Path

import click

from runner.audit import Trail
from runner.brokers import registry
from runner.brokers.embedded.url import EMBEDDED
from runner.brokers.registry import connect, survey
from runner.commands.connecting import connected
from runner.commands.deeds import Deeds, alone
from runner.commands.loading import PIPELINE
from runner.config.loader import LoadedPipeline, load
from runner.errors import RunnerError
from runner.moving import at, moved
from runner.observability import logs
from runner.processes.runs import runs_of
from runner.topology import plan
from runner.wording import counted

TIMEOUT = 5.0
"""Seconds that the file has to answer."""


@click.command()
@PIPELINE
@click.option("--from", "source", required=True, metavar="URL", help="The embedded broker: embedded:PATH.")
@click.option("--to", "target", default=None, metavar="URL", help="The other broker; without it, that of the file.")
@click.option("--dry-run", is_flag=True, help="Only count what would be moved.")
@click.option("--reason", default=None, help="Why; for the audit trail.")
def move(pipeline: Path, source: str, target: str | None, dry_run: bool, reason: str | None) -> None:
    """Move all messages from the embedded broker to another one.

    Stop every run first. Each message is confirmed there before it leaves here; ids, attempts and what is left of a
    wait stay. Stopped or killed at any moment, it goes on when it is run again.
    """
    logs.configure("move", level="error")
    loaded = load(pipeline)
    here, there = at(loaded, source), at(loaded, target) if target else loaded
    if not here.pipeline.broker[0].startswith(EMBEDDED):
        raise RunnerError("--from must be an embedded broker (embedded:PATH)")
    if here.pipeline.broker == there.pipeline.broker:
        raise RunnerError("--from and --to name the same broker")
    with alone(loaded.pipeline.folder, "move"):
        _check_idle(pipeline, here)
        if dry_run:
            click.echo(f"would move {counted(_count(here), 'message')}")
            return
        found, deeds = _moved(here, there, Trail(loaded.pipeline.folder, "move", reason or ""))
    for queue, messages in found.items():
        click.echo(f"{queue}: {counted(messages, 'message')}")
    click.echo(deeds.summary())
    deeds.exit()


def _moved(here: LoadedPipeline, there: LoadedPipeline, trail: Trail) -> tuple[Counter[str], Deeds]:
    """How many messages each queue there has got. Raises RunnerError."""
    found = Counter[str]()
    source, to = (registry.shown(one.pipeline.broker[0], one.pipeline.folder) for one in (here, there))
    with ExitStack() as held:
        still = [held.enter_context(registry.alone(one.pipeline, "move")) for one in (here, there)]
        whole = _count(here)
        deeds = held.enter_context(Deeds("moved", whole, unit="message"))
        broker = held.enter_context(connected(there, "move"))

        def goes_on() -> bool:
            for check in still:
                check()
            return deeds.looks_on()

        with trail.moving(source, to, whole):
            for queue in moved(here.pipeline, broker, goes_on):
                deeds.done += 1
                found[queue] += 1
        if deeds.stopped:
            trail.write_move(source, to, whole, f"stopped after {deeds.done:,} of them")
    return found, deeds


def _check_idle(pipeline: Path, here: LoadedPipeline) -> None:
    """Raises RunnerError if anybody is at work on what is to be moved."""
    if runs := list(runs_of(pipeline)):
        pids = ", ".join(str(run.pid) for run in runs)
        raise RunnerError(f"{pipeline} runs here (process {pids}); stop it first")
    found = survey(here.pipeline, "move")
    if found.renamed:
        names = ", ".join(one.was for one in found.renamed)
        raise RunnerError(f"{names} has another name in {pipeline}: 'runner apply --migrate' moves that first")
    others = [one for one in found.unnamed if one.messages]
    if others:
        names = ", ".join(f"{one.name} ({one.messages:,})" for one in others)
        raise RunnerError(
            f"messages lie on queues that {pipeline} doesn't name: {names}; name them in it, or empty them first"
        )


def _count(here: LoadedPipeline) -> int:
    """How many messages there are. Raises RunnerError if somebody takes them."""
    broker = connect(here.pipeline, "move")
    broker.start(plan(here.pipeline), timeout=TIMEOUT, declare=False)
    try:
        depths = broker.depths(here.pipeline.queues)
    finally:
        broker.close()
    if taken := [name for name, depth in depths.items() if depth.consumers or depth.in_hand]:
        raise RunnerError(f"workers take from {', '.join(taken)}; stop them first")
    return sum(depth.ready + depth.delayed + depth.dead for depth in depths.values())
