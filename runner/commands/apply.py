"""`runner apply`: makes on the broker what the file needs; with `--migrate`, also what exists with other
arguments or under a former name. Left out: what that is (see `plan`).
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.audit import Trail
from runner.brokers.registry import migrated, renamed, survey
from runner.commands.connecting import connected
from runner.commands.deeds import Deeds, alone
from runner.commands.loading import PIPELINE
from runner.commands.plan import CONFLICT, lines, status, verdict
from runner.config.loader import LoadedPipeline, load
from runner.errors import RunnerError
from runner.observability import logs
from runner.processes.runs import runs_of
from runner.wording import counted

if TYPE_CHECKING:
    from runner.brokers.survey import Renamed


@click.command()
@PIPELINE
@click.option("--migrate", is_flag=True, help="Also make queues anew that have other arguments, and move renamed ones.")
@click.option("--reason", default=None, help="Why they are migrated; for the audit trail.")
def apply(pipeline: Path, migrate: bool, reason: str | None) -> None:
    """Make the exchanges, queues and bindings that the file needs.

    What the file doesn't name stays. With --migrate nobody else may publish to the queues that are made anew or
    moved, or take from them. Stopped at any moment, it goes on when it is run again.
    """
    logs.configure("apply", level="warning")
    loaded = load(pipeline)
    found = survey(loaded.pipeline, "apply")
    if migrate and not found.conflicts("exchange"):  # else a queue that is made anew would lack its bindings
        _migrate(pipeline, loaded, reason or "")
        found = survey(loaded.pipeline, "apply")
    if status(found) == CONFLICT:
        for line in (*lines(found), verdict(found, runs=any(runs_of(pipeline)))):
            click.echo(line, err=True)
        sys.exit(CONFLICT)
    with connected(loaded, "apply"):
        pass  # who connects declares what it needs
    for kind, name in found.missing:
        click.echo(f"made {kind} {name}")
    click.echo("the broker has what the file needs")


def _migrate(pipeline: Path, loaded: LoadedPipeline, reason: str) -> None:
    """Make anew what exists with other arguments, and move what has another name. Raises RunnerError."""
    trail = Trail(loaded.pipeline.folder, "migrate", reason)
    with Deeds("moved", unit="message") as deeds, alone(loaded.pipeline.folder, "apply --migrate"):
        if runs := list(runs_of(pipeline)):
            pids = ", ".join(str(run.pid) for run in runs)
            raise RunnerError(f"{pipeline} runs here (process {pids}); stop it, so that nothing is published meanwhile")
        made = migrated(loaded.pipeline, "apply", deeds.looks_on, lambda name, count: trail.moving(name, name, count))
        with ExitStack() as accounts:
            for queue in survey(loaded.pipeline, "apply").renamed:
                accounts.enter_context(trail.moving(queue.was, queue.queue, queue.messages))
                _rename_in_ledger(loaded, queue)
            moved = renamed(loaded.pipeline, "apply", deeds.looks_on)
    for name, messages in made.items():
        click.echo(f"made queue {name} anew, with {counted(messages, 'message')}")
    for name, messages in moved.items():
        click.echo(f"moved {counted(messages, 'message')} from {loaded.pipeline.queues[name].was} to {name}")


def _rename_in_ledger(loaded: LoadedPipeline, queue: Renamed) -> None:
    """Before any message moves: the ledger knows it under the new name. Raises RunnerError."""
    if queue.consumers:
        raise RunnerError(f"somebody consumes {queue.was}: stop that, and what publishes to it")
    if loaded.pipeline.ledger is not None:
        from runner.ledger.renaming import rename

        rename(loaded.pipeline.ledger, queue.was, queue.queue, loaded.sealer)
