"""`runner queue`: shows, cancels and drains messages that wait, and puts drained ones back.

What was done is written to `var/audit.jsonl`, and into each message's journey. Left out: dead letters (see `dead`).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from itertools import islice, takewhile
from pathlib import Path
from typing import Any

import click
import orjson

from runner.audit import Trail
from runner.backlog import STATES, Drain, Refilled, backlog, backlog_piles, drained
from runner.commands.connecting import connected
from runner.commands.dead import REASON, check_reason
from runner.commands.deeds import Deeds
from runner.commands.filters import EVERYTHING, check_scope, filters, wanted
from runner.commands.letters import as_waiting, print_waiting
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.terminal import FORMAT
from runner.config.loader import load
from runner.operations import Drop, Replay

UNIT = "message"


@click.group()
def queue() -> None:
    """Show, cancel and drain messages that wait.

    They wait for a worker (ready), or for their next attempt (delayed). Messages in the hand of a worker are left
    alone, and so are dead letters ('runner dead'). On RabbitMQ, those that are ready are taken in hand, up to ten at
    a time, and given back to the end of their queue, uncounted.
    """


@queue.command()
@filters
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many to show.")
@FORMAT
def peek(pipeline: Path, form: str, queue: Sequence[str], limit: int, **which: Any) -> None:
    """Show messages that wait, masked.

    The pipeline goes on meanwhile. On RabbitMQ, those that are ready go to the end of their queue; nothing
    else changes.
    """
    loaded = load(pipeline)
    meant, shown = wanted(loaded, which), 0
    with Deeds("shown", unit=UNIT, bar=False) as deeds:  # whoever is stopped gives back what is in hand
        for state in STATES:
            letters = backlog(loaded, queue, meant, deeds.looks_on, [state])
            for _, message in islice(letters, limit - shown):
                shown += 1
                schema = loaded.schemas.get(message.queue)
                if form == "json":
                    click.echo(orjson.dumps(as_waiting(message, state, schema)))
                else:
                    print_waiting(message, state, schema)
            letters.close()
    if not shown and not deeds.stopped:
        click.echo("no messages wait", err=True)
    deeds.exit()


@queue.command()
@filters
@EVERYTHING
@REASON
def cancel(pipeline: Path, queue: Sequence[str], everything: bool, reason: str, **which: Any) -> None:
    """Delete messages that wait, for good.

    Messages in the hand of a worker stay. The status of a cancelled message is 'dropped'. Ctrl-C stops it after what
    it has in hand.
    """
    check_reason(reason)
    check_scope(everything, queue, which)
    loaded = load(pipeline)
    trail = Trail(loaded.pipeline.folder, "cancel", reason)
    with closing(Drop(loaded, trail)) as delete, Deeds("cancelled", unit=UNIT) as deeds:
        deeds.each_pile(backlog_piles(loaded, queue, wanted(loaded, which), deeds.looks_on), delete.all)
    click.echo(deeds.summary())
    deeds.exit()


@queue.command()
@filters
@EVERYTHING
@REASON
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
def drain(pipeline: Path, queue: Sequence[str], everything: bool, reason: str, file: Path, **which: Any) -> None:
    """Move messages that wait into a new FILE, as JSON lines.

    Each is on disk before it leaves its queue. What is sealed stays sealed. 'runner queue fill FILE' puts
    them back, under their ids.
    """
    check_reason(reason)
    check_scope(everything, queue, which)
    loaded = load(pipeline)
    trail = Trail(loaded.pipeline.folder, "drain", reason)
    again = f"{file} has these; the same command with another file goes on with the others"
    with Drain(loaded, trail, file) as move, Deeds("drained", unit=UNIT, again=again) as deeds:
        deeds.each(backlog(loaded, queue, wanted(loaded, which), deeds.looks_on), move.one)
    click.echo(f"{deeds.summary()} into {file}" if deeds.done and not deeds.stopped else deeds.summary())
    deeds.exit()


@queue.command()
@PIPELINE_OPTION
@click.option("--reason", default=None, help="Why; for the audit trail.")
@click.argument("file", type=click.File("rb"))
def fill(pipeline: Path, reason: str | None, file: Any) -> None:
    """Put the messages of a drained FILE back on their queues.

    Ids and bodies stay as they were; attempts are counted from 1.
    """
    loaded = load(pipeline)
    deeds = Deeds("put back", unit=UNIT, again=_rest)
    trail = Trail(loaded.pipeline.folder, "fill", reason or "")
    with closing(Replay(loaded, trail)) as resend, connected(loaded, "queue") as broker, deeds:
        on = Refilled(broker)
        deeds.each(((on, message) for message in drained(takewhile(lambda _: deeds.looks_on(), file))), resend.one)
    click.echo(f"{deeds.summary()}; {deeds.again}" if deeds.stopped else deeds.summary())
    deeds.exit()


def _rest(dealt_with: int) -> str:
    """Those that were put back would come a second time."""
    line = dealt_with + 1
    return f"go on from line {line}: 'tail -n +{line} FILE | runner queue fill -'"
