"""How `runner dead` prints: the groups as a table, one dead letter in full, and both as JSON."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click
from rich import box
from rich.table import Table
from rich.text import Text

from runner.commands.terminal import print_table
from runner.deadletters import DeadLetter, Group, body_of, kind_of
from runner.validation.schema import Schema
from runner.wording import escaped, one_line

LONGEST_LINE = 2_000
"""Characters that are shown of a line of a body or traceback; 'runner dead export' has all of it."""


def print_groups(groups: list[Group]) -> None:
    """A row for each kind of error."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in ("count", "queue", "stage", "kind of error", "first", "last", "newest"):
        table.add_column(heading, justify="right" if heading == "count" else "left", overflow="fold")
    for group in groups:
        cells = (
            group.queue,
            group.stage,
            _kinds(group),
            shown(group.first),
            shown(group.last),
            group.newest.id or "(no id)",
        )
        table.add_row(f"{group.count:,}", *(Text(one_line(cell)) for cell in cells))
    print_table(table, wraps=["kind of error"])


def _kinds(group: Group) -> str:
    """With what the newest failed with at first, where that was something else."""
    newest = group.newest
    return f"{group.kind} (at first: {kind_of(newest.first_error, '')})" if newest.failed_otherwise else group.kind


def print_letter(letter: DeadLetter, schema: Schema | None) -> None:
    """Everything that may be shown of it."""
    click.echo(f"{one_line(letter.id)}: dead on {letter.queue}, {shown(letter.time)}")
    told = {"stage": letter.stage, "attempts": str(letter.attempts or ""), "error": letter.error}
    if letter.failed_otherwise:
        told["first error"] = f"{letter.first_error} ({letter.first_stage}, {shown(letter.first_time)})"
    elif letter.first_time is not None and shown(letter.first_time) != shown(letter.time):
        told["failing since"] = shown(letter.first_time)
    for name, value in told.items():
        if value:
            click.echo(f"  {name}: {one_line(value)}")
    if letter.traceback:
        click.echo(_lines(letter.traceback))
    click.echo(_lines(f"(sealed as a whole: {letter.sealed})" if letter.sealed else body_of(letter, schema)))


def print_waiting(message: DeadLetter, state: str, schema: Schema | None) -> None:
    """The same of one that waits."""
    since = f", since {shown(message.time)}" if message.time else ""
    click.echo(f"{one_line(message.id)}: {state} on {message.queue}, attempt {message.attempts + 1}{since}")
    if message.error:
        click.echo(f"  failed before: {one_line(message.error)}")
    click.echo(_lines(body_of(message, schema)))


def as_waiting(message: DeadLetter, state: str, schema: Schema | None) -> dict[str, Any]:
    """One that waits, for JSON."""
    return {
        "id": message.id,
        "queue": message.queue,
        "state": state,
        "attempt": message.attempts + 1,
        "since": message.time,
        "error": message.error or None,
        "body": body_of(message, schema),
    }


def as_document(found: DeadLetter | Group, schema: Schema | None = None) -> dict[str, Any]:
    """A group, or a dead letter with its body as far as it may be shown, for JSON."""
    if isinstance(found, Group):
        return {
            "queue": found.queue,
            "stage": found.stage,
            "kind": found.kind,
            "count": found.count,
            "first": found.first,
            "last": found.last,
            "newest": {
                "id": found.newest.id,
                "error": found.newest.error,
                "first_error": found.newest.first_error or None,
            },
        }
    return {
        "id": found.id,
        "queue": found.queue,
        "stage": found.stage,
        "time": found.time,
        "attempts": found.attempts,
        "kind": found.kind,
        "error": found.error,
        "first_error": found.first_error or None,
        "first_stage": found.first_stage or None,
        "first_time": found.first_time,
        "traceback": found.traceback,
        "body": None if found.sealed else body_of(found, schema),
    }


def shown(time: datetime | None) -> str:
    """UTC, to the second."""
    return "at an unknown time" if time is None else f"{time:%Y-%m-%d %H:%M:%S}Z"


def _lines(text: str) -> str:
    return "\n".join(f"    {_line(line)}" for line in text.splitlines())


def _line(text: str) -> str:
    return escaped(text[:LONGEST_LINE]) + ("…" if len(text) > LONGEST_LINE else "")
