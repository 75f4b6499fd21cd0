"""`runner dead`: lists, shows, exports, edits, replays and drops dead letters, while the pipeline runs.

What was edited, replayed or dropped is written to `var/audit.jsonl` beside the pipeline file: who, when,
what and why. Left out: what a dead letter is (`runner/deadletters.py`).
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import click
import orjson

from runner.audit import Trail
from runner.commands.connecting import connected
from runner.commands.deeds import Deeds, most
from runner.commands.editor import edit_and_send
from runner.commands.filters import EVERYTHING, check_scope, filters, wanted
from runner.commands.letters import as_document, print_groups, print_letter, shown
from runner.commands.terminal import FORMAT
from runner.config.loader import LoadedPipeline, load
from runner.deadletters import DeadLetter, Filter, grouped
from runner.errors import RunnerError
from runner.operations import Drop, Replay, found, piles

BODY = click.File("r", encoding="utf-8-sig", errors="replace")
REASON = click.option("--reason", required=True, help="Why; for the audit trail.")


@click.group()
def dead() -> None:
    """Show dead letters, edit, replay and drop them."""


@dead.command("list")
@filters
@FORMAT
def list_kinds(pipeline: Path, form: str, queue: Sequence[str], **which: Any) -> None:
    """List dead letters by stage and kind of error."""
    loaded = load(pipeline)
    groups = grouped(letter for _, letter in found(loaded, queue, wanted(loaded, which)))
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
    """Show the dead letters of one message, masked."""
    loaded = load(pipeline)
    known = False
    for _, letter in found(loaded, queue, wanted(loaded, {**which, "ids": (id,)})):
        known = True
        print_letter(letter, loaded.schemas.get(letter.queue))
    if not known:
        raise RunnerError(f"no dead letter has the id {id}; 'runner dead list' shows examples")


@dead.command()
@filters
def export(pipeline: Path, queue: Sequence[str], **which: Any) -> None:
    """Write dead letters as JSON lines, masked as 'show' does."""
    loaded = load(pipeline)
    with Deeds("exported", whole(loaded, queue), again="export them again", bar=not sys.stdout.isatty()) as deeds:
        for _, letter in found(loaded, queue, wanted(loaded, which), deeds.looks_on):
            click.echo(orjson.dumps(as_document(letter, loaded.schemas.get(letter.queue))))
            deeds.done += 1
    if deeds.stopped:
        click.echo(deeds.summary(), err=True)
        deeds.exit()


@dead.command()
@filters
@EVERYTHING
@click.option("--to", default=None, metavar="QUEUE", help="Another queue than the one it failed on.")
@click.option("--dry-run", is_flag=True, help="Only say what would happen.")
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), default=None, help="The most to send in a second.")
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
    """Send dead letters again; their attempts count from 1.

    They go to the queue on which they failed, or to --to. Ctrl-C stops it after what it has in hand.
    """
    check_scope(everything, queue, which)
    loaded = load(pipeline)
    trail = None if dry_run else Trail(loaded.pipeline.folder, "replay", reason or "")
    deeds = Deeds("would replay" if dry_run else "replayed", whole(loaded, queue))
    with closing(Replay(loaded, trail, to)) as resend, deeds:
        letters = piles(loaded, queue, wanted(loaded, which), deeds.looks_on, None if rate is None else most(rate))
        deeds.each_pile(letters, resend.all, None if dry_run else rate)
    click.echo(deeds.summary())
    deeds.exit()


@dead.command()
@filters
@click.option("--to", default=None, metavar="QUEUE", help="Another queue than the one it failed on.")
@click.option("--file", type=BODY, default=None, help="The body, instead of an editor.")
@click.option("--reason", default=None, help="Why; for the audit trail.")
@click.argument("id")
def edit(
    pipeline: Path, queue: Sequence[str], id: str, to: str | None, file: Any, reason: str | None, **which: Any
) -> None:
    """Edit the body of one dead letter, and send it again.

    It opens in $EDITOR. Sensitive values and card numbers stand there as their masks: left untouched they
    stay as they are; in place of one you may write a new value, which is sealed. When you have
    saved it and left the editor, the body is checked like any other, and the message is sent again to the
    queue on which it failed, as 'replay' does: attempts from 1, the same id. If nothing was changed, or the
    body breaks its schema, the dead letter stays where it is.
    """
    loaded = load(pipeline)
    letter = the_only(loaded, queue, wanted(loaded, {**which, "ids": (id,)}), id)
    trail = Trail(loaded.pipeline.folder, "edit", reason or "")
    click.echo(edit_and_send(loaded, letter, trail, to, None if file is None else file.read()))


@dead.command()
@filters
@EVERYTHING
@REASON
def drop(pipeline: Path, queue: Sequence[str], everything: bool, reason: str, **which: Any) -> None:
    """Delete dead letters for good. Ctrl-C stops it after what it has in hand."""
    check_reason(reason)
    check_scope(everything, queue, which)
    loaded = load(pipeline)
    trail = Trail(loaded.pipeline.folder, "drop", reason)
    with closing(Drop(loaded, trail)) as delete, Deeds("dropped", whole(loaded, queue)) as deeds:
        deeds.each_pile(piles(loaded, queue, wanted(loaded, which), deeds.looks_on), delete.all)
    click.echo(deeds.summary())
    deeds.exit()


def the_only(loaded: LoadedPipeline, queues: Sequence[str], which: Filter, id: str) -> DeadLetter:
    """The dead letter that is meant. Raises RunnerError."""
    letters = [letter for _, letter in found(loaded, queues, which)]
    if not letters:
        raise RunnerError(f"no dead letter has the id {id}; 'runner dead list' shows examples")
    if len(letters) > 1:
        places = ", ".join(f"{letter.queue} ({shown(letter.time)})" for letter in letters)
        raise RunnerError(f"{id} has {len(letters)} dead letters: {places}; say which by --queue, --since or --until")
    return letters[0]


def check_reason(reason: str) -> None:
    """Raises BadParameter."""
    if not reason.strip():
        raise click.BadParameter("is empty; say why, for the audit trail", param_hint="--reason")


def whole(loaded: LoadedPipeline, queues: Sequence[str]) -> int | None:
    """How many dead letters there are, for somebody who watches; None for a program."""
    if not sys.stderr.isatty():
        return None
    known = [name for name in queues or loaded.pipeline.queues if name in loaded.pipeline.queues]
    with connected(loaded, "dead", declare=False) as broker:
        return sum(depth.dead for depth in broker.depths(known).values())
