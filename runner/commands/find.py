"""`runner find`: what became of a message, found by what people know of it.

Only reads; finding and telling are `runner.history`'s. rich is imported where it is needed: it
takes 60 ms.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import click
import orjson

from runner.commands.connecting import remembering
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.terminal import FORMAT, print_table
from runner.commands.timeline import shown_time, told_as_timeline
from runner.commands.when import When
from runner.config.loader import load
from runner.errors import RunnerError
from runner.history import History, as_document, history, search, searched
from runner.units import format_duration
from runner.wording import one_line, quoted


@click.command()
@PIPELINE_OPTION
@click.option("--since", type=When(), default=None, help="Only since this time, such as 1h or 2026-01-31T12:00Z.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many to list.")
@FORMAT
@click.argument("what")
def find(pipeline: Path, since: datetime | None, limit: int, form: str, what: str) -> None:
    """Find a message, and tell what became of it.

    WHAT is its id, what a stage has recorded of it (payment=declined), or a value that 'find' in the
    pipeline file names: the payer's address, a reference, a charge, the Message-ID of a mail. One
    message is told from the request to its end; several are listed, the newest first.

    Exit status: 0 found, 1 not found or not readable.
    """
    loaded = load(pipeline)
    stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
    start = since.timestamp() if since is not None else 0.0
    with remembering(loaded.pipeline) as ledger:
        matches = search(ledger, loaded.pipeline, loaded.sealer, what.strip(), since=start, limit=limit)
        found = [one for match in matches if (one := history(ledger, match.id, loaded.pipeline.folder)) is not None]
    if form == "json":
        click.echo(orjson.dumps([as_document(one, stages) for one in found], option=orjson.OPT_INDENT_2))
    if not found:
        keep = format_duration(loaded.pipeline.ledger_keep)
        within = f"since {shown_time(start)}" if since else f"in the {keep} that the ledger remembers"
        raise RunnerError(f"nothing found for {quoted(what)} {within}; searched: {searched(loaded.pipeline)}")
    if form == "text":
        print_found(found, stages, is_cut=len(matches) == limit > 1)


def print_found(found: list[History], stages: dict[str, str], *, is_cut: bool) -> None:
    """One as a timeline, several as a list."""
    if len(found) == 1:
        click.echo("\n".join(told_as_timeline(found[0], stages)))
        return
    print_list(found)
    more = "; there may be more (--limit)" if is_cut else ""
    click.echo(f"\n{len(found)} messages, the newest first{more}; 'runner find ID' tells the history of one")


def print_list(found: list[History]) -> None:
    """A row for each message."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("Accepted", "Message", "Status", "By", "Recorded"):
        table.add_column(heading, overflow="fold")
    for one in found:
        journey = one.journey
        recorded = ", ".join(f"{name}={_text(value)}" for name, value in journey.facts.items())
        cells = (shown_time(journey.accepted_at), journey.id, journey.standing, one.accepted_by, recorded)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    print_table(table, wraps=["Recorded"])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
