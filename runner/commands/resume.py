"""`runner resume`: lets a stage go on that an operator has paused."""

from __future__ import annotations

from pathlib import Path

import click

from runner import pausing
from runner.audit import Trail
from runner.commands.connecting import writing
from runner.commands.loading import PIPELINE_OPTION, stage_of
from runner.config.loader import load
from runner.errors import RunnerError


@click.command()
@PIPELINE_OPTION
@click.option("--reason", default=None, help="Why; for the audit trail.")
@click.argument("stage")
def resume(pipeline: Path, reason: str | None, stage: str) -> None:
    """Resume STAGE, which 'runner pause' or the console has paused.

    They hear of it within two seconds. A stage that has paused by itself, as by its breaker, goes on by itself.
    """
    loaded = load(pipeline).pipeline
    meant = stage_of(loaded, stage)
    with writing(loaded) as ledger:
        if not pausing.resume(ledger, Trail(loaded.folder, "resume", reason or ""), meant):
            raise RunnerError(f"nobody has paused {stage}; 'runner status' says if it has paused by itself")
    click.echo(f"resumed {stage}: it takes what waits on {meant.consume}")
