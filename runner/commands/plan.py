"""`runner plan`: what the file needs on its broker, compared with what is there.

Exits with 0 where they agree, 3 where a start or `runner apply` changes something, 1 where only
`runner apply --migrate` does. Left out: making it so (see `apply`).
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click
import orjson

from runner.brokers.registry import survey
from runner.commands.loading import PIPELINE
from runner.commands.terminal import FORMAT
from runner.config.loader import load
from runner.observability import logs
from runner.processes.runs import runs_of
from runner.wording import counted

if TYPE_CHECKING:
    from runner.brokers.survey import Differing, Survey, Unnamed

CHANGES, CONFLICT = 3, 1
"""Exit statuses."""
_MEANINGS = {
    "queue type": "quorum is replicated and counts its deliveries, classic lives on one node",
    "exchange type": "it says which keys a binding takes",
    "x-max-length": "max_length: a publish beyond it is refused",
    "max_length": "a publish beyond it is refused",
    "x-delivery-limit": "delivery_limit: how often the broker hands a message out whose worker dies",
    "x-message-ttl": "milliseconds that a message waits there",
    "x-dead-letter-routing-key": "the queue that takes what may not stay",
    "x-dead-letter-strategy": "whether RabbitMQ keeps a message until its next queue has it",
    "x-overflow": "what happens to a publish when it is full",
}


@click.command()
@PIPELINE
@FORMAT
def plan(pipeline: Path, form: str) -> None:
    """Compare what the file needs on its broker with what is there.

    Exits with 0 if nothing is to be done, 3 if something is to be made or changed, and 1 if a queue has to be
    migrated first. Nothing is changed.
    """
    logs.configure("plan", level="error")
    found = survey(load(pipeline).pipeline, "plan")
    runs = any(runs_of(pipeline))
    if form == "json":
        click.echo(orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2))
    else:
        for line in lines(found):
            click.echo(line)
        click.echo(verdict(found, runs=runs))
    sys.exit(status(found))


def status(found: Survey) -> int:
    if found.conflicts("queue") or found.conflicts("exchange"):
        return CONFLICT
    return CHANGES if found.missing or found.differing else 0


def lines(found: Survey) -> Iterator[str]:
    """One for each thing that differs, and one for each argument."""
    for kind, name in found.missing:
        yield f"+ {kind} {name}: to be made"
    for one in found.differing:
        yield from _differing(one)
    for name, messages in found.unfinished:
        yield f"! queue {name} was being made anew, and {counted(messages, 'message')} of it wait for that"
    for former in found.renamed:
        yield f"> queue {former.queue} was {former.was}: {counted(former.messages, 'message')} to move"
    for other in found.unnamed:
        yield _unnamed(other)
    for binding in found.bindings:
        yield f"? binding {binding} is not in the file: what is published there still comes to that queue"
    if found.unlisted:
        yield f"? bindings, and queues that the file doesn't name, can't be listed: {found.unlisted}"


def verdict(found: Survey, *, runs: bool = False) -> str:
    """What is to be done. `runs`: whether the pipeline does, on this machine."""
    if exchanges := found.conflicts("exchange"):
        return (
            f"conflict: give {', '.join(exchanges)} another name in the file; or stop all that publishes to it, delete "
            "it on the broker, which removes other programs' bindings too, and start again"
        )
    if queues := found.conflicts("queue"):
        names = ", ".join(queues)
        if runs or found.taken_from:
            return f"conflict: stop the pipeline and whatever else uses {names}; then 'runner apply --migrate'"
        return f"conflict: 'runner apply --migrate' ends it; nothing may publish to {names} or take from it meanwhile"
    if found.missing or found.differing:
        return "'runner apply' or the next start makes these changes"
    return f"{'as far as can be seen, ' if found.unlisted else ''}the broker has what the file needs"


def _differing(one: Differing) -> Iterator[str]:
    sign, then = ("!", "") if one.blocks else ("~", ", which a start doesn't mind")
    on_it = f" ({counted(one.messages, 'message')} on it)" if one.kind == "queue" else ""
    yield f"{sign} {one.kind} {one.name} has other arguments{then}{on_it}"
    for found in one.differences:
        key = f"{one.kind} type" if found.argument == "type" else found.argument
        meaning = f" ({_MEANINGS[key]})" if key in _MEANINGS else ""
        yield f"    {found.argument}: {found.there} on the broker, {found.here} in the file{meaning}"


def _unnamed(other: Unnamed) -> str:
    taken = f", {counted(other.consumers, 'consumer')}" if other.consumers else ""
    return f"? queue {other.name} is not in the file: {counted(other.messages, 'message')}{taken}"
