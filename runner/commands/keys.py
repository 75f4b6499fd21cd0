"""`runner keys`: makes, lists, rotates and retires the keys that seal sensitive fields.

Left out: the file and what may be done with it (see `runner.privacy.keyset`).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from rich.table import Table

from runner.commands.connecting import connected, remembering
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.terminal import print_table
from runner.config.loader import LoadedPipeline, load
from runner.errors import KeysError
from runner.ledger.url import path_of
from runner.privacy.keyset import Key, KeySet, change_keys, make_keys, read_keys, rotated, with_new_key, without
from runner.wording import counted

SETTLED = timedelta(minutes=1)
"""How long after a rotation a key stays: every process seals with the new one by then."""


@click.group()
def keys() -> None:
    """Make, list or change the keys that seal sensitive fields."""


@keys.command("generate")
@PIPELINE_OPTION
def generate_command(pipeline: Path) -> None:
    """Make the keys, or add one.

    One that is added opens, and doesn't seal before it is rotated in.
    """
    click.echo(generate(_file(_load(pipeline))))


@keys.command("list")
@PIPELINE_OPTION
def list_command(pipeline: Path) -> None:
    """List the keys, without their secrets."""
    print_keys(read_keys(_file(_load(pipeline))))


@keys.command("rotate")
@PIPELINE_OPTION
def rotate_command(pipeline: Path) -> None:
    """Seal with the newest key from now on.

    If that seals already, a new one is made.
    """
    changed = change_keys(_file(_load(pipeline)), rotated)
    click.echo(f"the key {changed.current} seals from now on; the others open what they have sealed")


@keys.command("retire")
@PIPELINE_OPTION
@click.argument("key")
@click.option("--force", is_flag=True, help="Retire it even if something may need it.")
def retire_command(pipeline: Path, key: str, force: bool) -> None:
    """Remove KEY, which nothing may need any more."""
    loaded = _load(pipeline)
    click.echo(retire(loaded, _file(loaded), key, force=force))


def _load(file: Path) -> LoadedPipeline:
    """Also with keys that a run may not use: these are the commands that mend that."""
    return load(file, mends_keys=True)


def _file(loaded: LoadedPipeline) -> Path:
    """The file of the keys. Raises KeysError if the pipeline names none."""
    if loaded.pipeline.keys is None:
        raise KeysError(f"{loaded.pipeline.file.name} names no keys; add 'keys: file:var/keys'")
    return loaded.pipeline.keys


def generate(path: Path) -> str:
    """Make the file, or add a key to it. Returns what was done. Raises KeysError."""
    if make_keys(path):
        return f"made {path} with the key {read_keys(path).current}, which seals"
    added = change_keys(path, with_new_key).keys[-1]
    return f"added the key {added.id} to {path}; it opens, and seals from the next 'runner keys rotate' on"


def print_keys(keys: KeySet) -> None:
    """The keys in a table, without their secrets."""
    table = Table("key", "created", "what it does", "replaced", box=None, header_style="bold", pad_edge=False)
    for key in keys.keys:
        does = "seals and opens" if key.id == keys.current else "opens"
        made_up = " (made up for development)" if key.development else ""
        table.add_row(key.id, key.created, does + made_up, key.replaced)
    print_table(table)


def retire(loaded: LoadedPipeline, path: Path, id: str, *, force: bool) -> str:
    """Remove a key. Returns what was done.

    Raises KeysError if there is none of this id, if it seals, or if something may need it and
    `force` isn't set; BrokerError.
    """
    keys = read_keys(path)
    without(keys, id)  # refused before the broker is asked
    if not force:
        _check_unneeded(loaded, next(key for key in keys.keys if key.id == id))
    change_keys(path, lambda keys: without(keys, id))
    return f"retired the key {id}: what is sealed with it opens nowhere any more"


def _check_unneeded(loaded: LoadedPipeline, key: Key) -> None:
    """Raises KeysError if something may need the key."""
    force = "or use --force: what is sealed with a retired key opens nowhere"
    if key.replaced and datetime.now(UTC) - datetime.fromisoformat(key.replaced) < SETTLED:
        reason = f"was replaced at {key.replaced}, less than a minute ago, and some process may still seal with it"
        raise KeysError(f"the key {key.id} {reason}; wait a minute, {force}")
    if needs := "; ".join(_messages(loaded)):
        advice = "wait until these queues and their dead letters are empty"
        raise KeysError(f"the key {key.id} may still be needed: {needs}; {advice}, {force}")
    results, requests = _remembered(loaded, key)
    if results:
        needs = f"the ledger keeps {counted(results, 'result')} of stages with 'once' that it seals"
        advice = "wait until the ledger has forgotten them ('keep')"
        raise KeysError(f"the key {key.id} is still needed: {needs}; {advice}, {force}")
    if requests:
        needs = f"the ledger recognizes {counted(requests, 'request')} by it, which would be refused if they came again"
        advice = "wait until their keys are forgotten ('idempotency.keep')"
        raise KeysError(f"the key {key.id} is still needed: {needs}; {advice}, {force}")


def _messages(loaded: LoadedPipeline) -> Iterator[str]:
    """What may be sealed with any key: a broker doesn't tell with which, so that each message counts."""
    with connected(loaded, "keys", declare=False) as broker:
        depths = broker.depths(loaded.pipeline.queues)
    for queue, depth in depths.items():
        waiting = depth.ready + depth.in_hand + depth.delayed
        if waiting:
            yield f"{queue} holds {counted(waiting, 'message')}"
        if depth.dead:
            yield f"{queue} has {counted(depth.dead, 'dead letter')}"


def _remembered(loaded: LoadedPipeline, key: Key) -> tuple[int, int]:
    """How many results in the ledger are sealed with the key: each is published again when its message comes
    again. And how many requests were hashed by it, so that they are known when they are repeated."""
    pipeline = loaded.pipeline
    path = None if pipeline.ledger is None else path_of(pipeline.ledger)
    if pipeline.ledger is None or (path is not None and not path.exists()):
        return 0, 0
    now, requests = time.time(), 0
    with remembering(pipeline) as ledger:
        for route in pipeline.http.routes if pipeline.http is not None and key.replaced else ():
            replaced = datetime.fromisoformat(key.replaced) + SETTLED
            last = replaced.timestamp() + route.key_kept
            requests += ledger.requests_expiring(str(route), now, last)
        return ledger.sealed_with(key.id), requests
