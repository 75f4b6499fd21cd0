"""`runner ledger`: one message by its id, and messages by what a stage has recorded of them. What people
know of a message otherwise, `runner find` looks for.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import orjson

from runner.commands.connecting import remembering
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.recorded import fact_of
from runner.commands.terminal import FORMAT
from runner.commands.timeline import shown_time, told_as_timeline
from runner.commands.when import When
from runner.config.loader import load
from runner.errors import RunnerError
from runner.history import as_document, history
from runner.message import root_id


@click.group()
def ledger() -> None:
    """Ask the ledger for the status of messages."""


@ledger.command("show")
@PIPELINE_OPTION
@FORMAT
@click.argument("id")
def show_message(pipeline: Path, form: str, id: str) -> None:
    """Show the status of a message.

    It is told from the request to the message's end. ID is in the answer of the intake, and in the log; that
    of a copy, which a dead letter may have, will do.
    """
    loaded = load(pipeline).pipeline
    with remembering(loaded) as ledger:
        found = history(ledger, root_id(id), loaded.folder)
    if found is None:
        raise RunnerError(f"the ledger knows no message {id}; ids are in the answers of the intake, and in the log")
    stages = {stage.consume: stage.name for stage in loaded.stages.values()}
    if form == "json":
        click.echo(orjson.dumps(as_document(found, stages)))
    else:
        click.echo("\n".join(told_as_timeline(found, stages)))


@ledger.command()
@PIPELINE_OPTION
@FORMAT
@click.option("--recorded", required=True, metavar="NAME=VALUE", help="What a stage has recorded (its 'record').")
@click.option(
    "--since", type=When(), default="30d", show_default=True, help="Recorded since, such as 1h or 2026-01-31T12:00Z."
)
@click.option("--until", type=When(), default=None, help="Recorded before this time, or so long ago.")
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="How many to list.")
def find(pipeline: Path, form: str, recorded: str, since: datetime, until: datetime | None, limit: int) -> None:
    """List messages by what stages have recorded.

    The newest come first.
    """
    loaded = load(pipeline).pipeline
    name, value = fact_of(loaded, recorded)
    end = None if until is None else until.timestamp()
    with remembering(loaded) as ledger:
        found = ledger.find(name, value, since=since.timestamp(), until=end, most=limit)
    if form == "json":
        click.echo(orjson.dumps([{"id": message, "recorded_at": shown_time(at)} for message, at in found]))
        return
    for message, at in found:
        click.echo(f"{shown_time(at)}  {message}")
    if not found:
        click.echo(f"no message since {shown_time(since.timestamp())} has {recorded}", err=True)
