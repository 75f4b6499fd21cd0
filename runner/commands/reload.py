"""`runner reload`: lets the runs of a pipeline take its file as it is now."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import click

from runner.commands.loading import PIPELINE
from runner.errors import RunnerError
from runner.processes.runs import Run, runs_of

POLL = 0.05
"""Seconds between looks whether a run has come to an end with it."""


@click.command()
@PIPELINE
@click.option(
    "--timeout", type=click.FloatRange(0), default=60, show_default=True, help="Seconds to wait for the result."
)
def reload(pipeline: Path, timeout: float) -> None:
    """Reload the file in each of its runs on this machine.

    Each run checks the file, starts new processes for what has changed, and stops the old ones once the new
    ones are up. A file that can't be run is refused, and the run goes on as it was. Exit status: 0 reloaded,
    1 refused.
    """
    runs = list(runs_of(pipeline))
    if not runs:
        raise RunnerError(f"no run of {pipeline} was found on this machine; start it: runner run {pipeline}")
    for run in runs:
        os.kill(run.pid, signal.SIGHUP)
    deadline = time.monotonic() + timeout
    outcomes = [_outcome(pipeline, run, deadline) for run in runs]
    sys.exit(0 if all(outcomes) else 1)


def _outcome(pipeline: Path, before: Run, deadline: float) -> bool:
    """Print what came of it; whether it is what was wanted."""
    while time.monotonic() < deadline:
        now = next((run for run in runs_of(pipeline) if run.pid == before.pid), None)
        if now is None:
            click.echo(f"process {before.pid} has ended meanwhile", err=True)
            return False
        if now.reloads > before.reloads:
            if now.outcome == "reloaded":
                click.echo(f"process {now.pid} is reloaded; {now.words}")
                return True
            click.echo(f"{now.words}\nprocess {now.pid} is not reloaded; it goes on as it was", err=True)
            return False
        time.sleep(POLL)
    click.echo(f"process {before.pid} has not finished yet; its log will tell the result", err=True)
    return False
