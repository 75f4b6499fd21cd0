"""`runner dead`: lists, shows, exports, replays and drops dead letters, while the pipeline runs.

What was replayed or dropped is written to `var/audit.jsonl` beside the pipeline file: who, when,
what and why. Left out: what a dead letter is (`runner/deadletters.py`).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
import orjson

from runner.audit import Trail
from runner.commands.letters import as_document, print_groups, print_letter
from runner.commands.loading import PIPELINE_OPTION
from runner.config.loader import load
from runner.deadletters import Filter, grouped
from runner.errors import RunnerError
from runner.operations import Replay, found
from runner.operations import drop as delete
from runner.units import parse_duration
from runner.wording import counted

FORMAT = click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True)
MOST_REASONS = 10
"""Refusals that are explained one by one."""


class When(click.ParamType[datetime]):
    """A span before now, such as 1h, or a time of day in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            return datetime.fromtimestamp(time.time() - parse_duration(value), UTC)
        except ValueError:
            pass
        try:
            found = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is neither a duration, such as 1h, nor a time, such as 2026-01-31T12:00Z", param, ctx)
        return found if found.tzinfo else found.replace(tzinfo=UTC)


def filters(command: Any) -> Any:
    """The options that say which dead letters are meant."""
    for option in (
        click.option("--until", type=When(), default=None, help="Dead-lettered before this time, or so long ago."),
        click.option(
            "--since", type=When(), default=None, help="Dead-lettered since this time, such as 1h or 2026-01-31T12:00Z."
        ),
        click.option("--error", default=None, metavar="TEXT", help="A part of the error, or of its kind."),
        click.option("--stage", default=None, help="The stage that gave it up."),
        click.option("--queue", multiple=True, help="The queue that it failed on; may be given again."),
        click.option("--id", "ids", multiple=True, help="Its id; may be given again."),
        PIPELINE_OPTION,
    ):
        command = option(command)
    return command


@click.group()
def dead() -> None:
    """Show dead letters, replay and drop them."""


@dead.command("list")
@filters
@FORMAT
def list_kinds(pipeline: Path, form: str, queue: Sequence[str], **which: Any) -> None:
    """List dead letters by stage and kind of error."""
    loaded = load(pipeline)
    groups = grouped(letter for _, letter in found(loaded, queue, wanted(which)))
    if form == "json":
        click.echo(orjson.dumps([as_document(group) for group in groups]))
    elif groups:
        print_groups(groups)
    else:
        click.echo("no dead letters", err=True)


@dead.command()
@filters
@click.argument("id")
def show(pipeline: Path, queue: Sequence[str], id: str, **which: Any) -> None:
    """Show the dead letters of one message, with the body as far as it may be shown."""
    loaded = load(pipeline)
    known = False
    for _, letter in found(loaded, queue, wanted({**which, "ids": (id,)})):
        known = True
        print_letter(letter, loaded.schemas.get(letter.queue))
    if not known:
        raise RunnerError(f"no dead letter has the id {id}; 'runner dead list' shows examples")


@dead.command()
@filters
def export(pipeline: Path, queue: Sequence[str], **which: Any) -> None:
    """Write dead letters as JSON lines, masked as 'show' does."""
    loaded = load(pipeline)
    for _, letter in found(loaded, queue, wanted(which)):
        click.echo(orjson.dumps(as_document(letter, loaded.schemas.get(letter.queue))))


@dead.command()
@filters
@click.option("--all", "everything", is_flag=True, help="Needed where no filter is given.")
@click.option("--to", default=None, metavar="QUEUE", help="Another queue than the one it failed on.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=None, help="At most so many a second.")
@click.option("--reason", default=None, help="Why; for the audit trail.")
def replay(
    pipeline: Path,
    queue: Sequence[str],
    everything: bool,
    to: str | None,
    dry_run: bool,
    rate: float | None,
    reason: str | None,
    **which: Any,
) -> None:
    """Send dead letters again to where they failed, as new: attempts are counted from 1."""
    loaded = load(pipeline)
    _check_scope(everything, queue, which)
    trail = None if dry_run else Trail(loaded.pipeline.folder, "replay", reason or "")
    resend = Replay(loaded, trail, to)
    sent, refused = 0, 0
    for on, letter in found(loaded, queue, wanted(which)):
        if stays := resend.one(on, letter):
            refused += 1
            if refused <= MOST_REASONS:
                click.echo(f"{letter.queue}: {letter.id or '(no id)'} stays: {stays}", err=True)
            continue
        sent += 1
        if rate is not None and not dry_run:
            time.sleep(1 / rate)
    stay = f"; {refused:,} {'would stay' if dry_run else 'stay'} where they are" if refused else ""
    click.echo(f"{'would replay' if dry_run else 'replayed'} {counted(sent, 'dead letter')}{stay}")
    sys.exit(1 if refused else 0)


@dead.command()
@filters
@click.option("--all", "everything", is_flag=True, help="Needed where no filter is given.")
@click.option("--reason", required=True, help="Why; for the audit trail.")
def drop(pipeline: Path, queue: Sequence[str], everything: bool, reason: str, **which: Any) -> None:
    """Delete dead letters for good."""
    if not reason.strip():
        raise click.BadParameter("is empty; say why, for the audit trail", param_hint="--reason")
    loaded = load(pipeline)
    _check_scope(everything, queue, which)
    trail = Trail(loaded.pipeline.folder, "drop", reason)
    dropped = 0
    for on, letter in found(loaded, queue, wanted(which)):
        dropped += not delete(on, letter, trail)
    click.echo(f"dropped {counted(dropped, 'dead letter')}")


def wanted(which: dict[str, Any]) -> Filter:
    """The options of `filters` but the queues, as a filter."""
    ids, stage, error, since, until = (which[name] for name in ("ids", "stage", "error", "since", "until"))
    return Filter(frozenset(ids), stage or "", error or "", since, until)


def _check_scope(everything: bool, queue: Sequence[str], which: dict[str, Any]) -> None:
    if not everything and not queue and not any(which.values()):
        raise click.UsageError(
            "say which dead letters are meant: --id, --queue, --stage, --error, --since, --until or --all"
        )
