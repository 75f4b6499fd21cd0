"""`runner apikeys`: makes, lists and revokes the keys by which the intake knows who posts.

Left out: what the ledger has of them (see `runner.ledger.apikeys`), and what a route asks for
(see `runner.intake.gate`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runner.commands.connecting import NothingRecordedError, remembering, writing
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.terminal import print_table
from runner.config.loader import load
from runner.errors import RunnerError
from runner.units import parse_duration

if TYPE_CHECKING:
    from runner.ledger.apikeys import ApiKey


class Lifetime(click.ParamType[float]):
    """A span from now, such as 90d, in seconds."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)
        if seconds <= 0:
            self.fail("a key must be valid for some time, such as 90d", param, ctx)
        return seconds


@click.group()
def apikeys() -> None:
    """Make, list or revoke the keys of those who may post."""


@apikeys.command("add")
@PIPELINE_OPTION
@click.argument("caller")
@click.option("--expires", type=Lifetime(), default=None, metavar="DURATION", help="How long it is valid, such as 90d.")
def add_command(pipeline: Path, caller: str, expires: float | None) -> None:
    """Make a key for CALLER, and print it.

    It is not kept, and can't be printed again. A caller may have several: to exchange one,
    add the new one first.
    """
    from runner.ledger.apikeys import CALLER

    if not CALLER.fullmatch(caller):
        raise click.BadParameter("a caller's name has 1 to 64 letters, digits, '.', '_', '@' and '-'")
    with writing(load(pipeline).pipeline) as ledger:
        key, added = ledger.api_keys.add(caller, expires)
    until = "" if added.expires_at is None else f" until {_time(added.expires_at)}"
    click.echo(key)
    click.echo(f"the key {added.id} of {caller} is valid{until}; send it as 'Authorization: Bearer KEY'", err=True)


@apikeys.command("list")
@PIPELINE_OPTION
def list_command(pipeline: Path) -> None:
    """List keys by id, caller and date; no key itself is shown."""
    found: Sequence[ApiKey] = ()
    with suppress(NothingRecordedError), remembering(load(pipeline).pipeline) as ledger:
        found = ledger.api_keys.all()
    if found:
        print_keys(found)
    else:
        click.echo("there are no API keys; make one with 'runner apikeys add CALLER'", err=True)


@apikeys.command("revoke")
@PIPELINE_OPTION
@click.argument("key")
def revoke_command(pipeline: Path, key: str) -> None:
    """Revoke a key. KEY is its id in 'runner apikeys list'."""
    with writing(load(pipeline).pipeline) as ledger:
        revoked = _chosen(ledger.api_keys.all(), key)
        ledger.api_keys.revoke(revoked)
    click.echo(f"revoked the key {revoked.id} of {revoked.caller}: every intake refuses it within two seconds")


def _chosen(found: Sequence[ApiKey], id: str) -> ApiKey:
    """The key of this id that isn't revoked yet. Raises RunnerError."""
    for key in found:
        if key.id == id:
            if key.revoked_at is not None:
                raise RunnerError(f"the key {id} of {key.caller} was revoked at {_time(key.revoked_at)}")
            return key
    of_caller = [key.id for key in found if key.caller == id and key.revoked_at is None]
    if of_caller:
        raise RunnerError(f"{id} is a caller, and a key is revoked by its id: {', '.join(of_caller)}")
    raise RunnerError(f"there is no API key {id}; 'runner apikeys list' shows their ids")


def print_keys(keys: Sequence[ApiKey]) -> None:
    """The keys in a table."""
    from rich.table import Table

    table = Table("key", "caller", "created", "last used", "valid", box=None, header_style="bold", pad_edge=False)
    now = time.time()
    for key in keys:
        used = "never" if key.used_at is None else _time(key.used_at)
        table.add_row(key.id, key.caller, _time(key.created_at), used, _validity(key, now))
    print_table(table)


def _validity(key: ApiKey, now: float) -> str:
    if key.revoked_at is not None:
        return f"no, revoked at {_time(key.revoked_at)}"
    if key.expires_at is None:
        return "until revoked"
    return f"{'until' if key.opens(now) else 'no, expired at'} {_time(key.expires_at)}"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(" ", timespec="seconds").replace("+00:00", "Z")
