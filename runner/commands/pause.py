"""`runner pause`: lets a stage take nothing, on any machine, until it is resumed. `resume.py` ends that.

Left out: how the workers hear of it (see `runner.pausing`).
"""

from __future__ import annotations

from pathlib import Path

import click

from runner import pausing
from runner.audit import Trail
from runner.commands.connecting import writing
from runner.commands.dead import REASON, check_reason
from runner.commands.loading import PIPELINE_OPTION, stage_of
from runner.config.loader import load
from runner.errors import RunnerError
from runner.wording import paused


@click.command()
@PIPELINE_OPTION
@REASON
@click.argument("stage")
def pause(pipeline: Path, reason: str, stage: str) -> None:
    """Pause STAGE: its workers take nothing until it is resumed.

    They hear of it within two seconds, on whatever machine they are, and keep to it after a restart. What they
    have in hand is finished. The ledger remembers it.
    """
    check_reason(reason)
    loaded = load(pipeline).pipeline
    meant = stage_of(loaded, stage)
    with writing(loaded) as ledger:
        if not pausing.pause(ledger, Trail(loaded.folder, "pause", reason), meant):
            by = ledger.pauses.all().get(stage)
            raise RunnerError(f"{stage} is already {paused(str(by or ''))}")
    click.echo(f"paused {stage}: its messages wait on {meant.consume} until 'runner resume {stage}'")
