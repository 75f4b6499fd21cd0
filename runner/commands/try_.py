"""`runner try`: one stage on one message, without a broker. (`try` is a word of Python's.)

What is done is `runner.worker.trial`'s; this file only asks and shows.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import orjson

from runner.commands.loading import PIPELINE_OPTION, stage_of
from runner.commands.terminal import FORMAT
from runner.config.conditions import condensed
from runner.config.loader import LoadedPipeline, load
from runner.errors import RunnerError
from runner.headers import check_name, on_the_wire
from runner.message import is_usable
from runner.pipeline import Address, Pipeline, Stage
from runner.privacy.masking import mask
from runner.routing import Considered
from runner.units import format_duration, span
from runner.wording import escaped, listed, one_line
from runner.worker.trial import Fate, Product, Trial, try_stage

STATUSES: dict[Fate, int] = {"handled": 0, "refused": 1, "retry": 3, "dead": 4, "pause": 5, "error": 6}
"""2 is wrong usage."""
OUTCOMES: dict[Fate, str] = {
    "handled": "handled",
    "refused": "refused before the handler was called",
    "retry": "to be retried",
    "dead": "to the dead letters",
    "pause": "the stage pauses",
    "error": "the handler failed",
}
WARNING = "the handler runs for real: what it charges, sends or writes is charged, sent and written"
LOOK_TIMEOUT = 0.5
"""Seconds that the development mailbox has to answer."""


class Header(click.ParamType[tuple[str, str]]):
    """NAME=VALUE, as a request's header travels with its message."""

    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        name, equals, text = value.partition("=")
        try:
            if not equals:
                raise ValueError("has no '='; write NAME=VALUE")
            return on_the_wire(check_name(name), text)
        except ValueError as error:
            self.fail(f"{name!r}: {error}", param, ctx)


@click.command("try")
@PIPELINE_OPTION
@click.option("--id", default=None, help="The message's id; otherwise a new one. Handlers use it as idempotency key.")
@click.option("--header", "headers", type=Header(), multiple=True, help="A header of the message: NAME=VALUE.")
@FORMAT
@click.argument("stage")
@click.argument("file", type=click.File("rb"))
def try_(
    pipeline: Path, id: str | None, headers: tuple[tuple[str, str], ...], form: str, stage: str, file: Any
) -> None:
    """Run one stage on one message, without a broker.

    FILE has the body as JSON ('-': standard input). The body is checked, sealed and revealed as in a
    run, and the handler runs for real: IT CHARGES, SENDS AND WRITES. What it returns is shown,
    masked, with the route that it would take; it is not published, and no ledger is asked.

    Exit status: 0 handled, 1 refused before the handler was called, 3 it would be retried, 4 it would
    go to the dead letters, 5 the stage would pause, 6 the handler raised another exception than Retry,
    Reject or Pause.
    """
    if id and not is_usable(id):
        raise click.BadParameter("an id has 1 to 200 bytes of printable text", param_hint="--id")
    loaded = load(pipeline)
    wanted = stage_of(loaded.pipeline, stage)
    text = _read(file)
    if loaded.sealer is not None:
        loaded.sealer.prepare(production=loaded.pipeline.production)
    click.echo(f"runner: {WARNING}", err=True)
    trial = try_stage(loaded, wanted, text, message_id=id or "", headers=dict(headers))
    hint = _hint(trial, loaded.pipeline)
    if form == "json":
        click.echo(orjson.dumps(as_document(trial, wanted, hint), option=orjson.OPT_INDENT_2))
    else:
        click.echo("\n".join(told(trial, wanted, loaded, hint)))
    sys.exit(STATUSES[trial.fate])


def told(trial: Trial, stage: Stage, loaded: LoadedPipeline, hint: str = "") -> Iterator[str]:
    """A trial as lines."""
    took = "" if trial.fate == "refused" else f" after {span(trial.seconds)}"
    wait = f", for {format_duration(trial.delay)}" if trial.fate == "pause" else ""
    if trial.fate in ("retry", "error") and trial.delay:
        wait = f"; tried again in {format_duration(trial.delay)}, at most {stage.retry.attempts} attempts"
    yield f"{stage.name}: {OUTCOMES[trial.fate]}{took}{wait}"
    if trial.reason:
        yield f"  {one_line(trial.reason)}"
    if hint:
        yield f"  {hint}"
    yield from (f"  {escaped(line)}" for line in trial.traceback.splitlines())
    yield from (f"  {name}: {one_line(value)}" for name, value in trial.receipt.items())
    if trial.fate == "handled" and not trial.products and not trial.receipt:
        yield "  nothing comes of it: " + ("an empty list" if stage.publish else "the stage publishes nothing")
    for product in trial.products:
        yield from _product(product, stage, loaded)


def _product(product: Product, stage: Stage, loaded: LoadedPipeline) -> Iterator[str]:
    yield from ("", f"message {product.id}")
    text = orjson.dumps(product.body, option=orjson.OPT_INDENT_2).decode()
    yield from (f"  {escaped(line)}" for line in text.splitlines())
    for number, (considered, route) in enumerate(zip(product.considered, stage.publish, strict=True), start=1):
        when = condensed(route.when)
        to = listed(considered.to) + (f" ({when})" if when else "")
        yield f"  route {number} to {one_line(to)}: {_why(considered)}"
        for queue, violations in considered.verdicts:
            schema = loaded.pipeline.queues[queue].schema
            name = "" if schema is None else schema.name
            if violations is None:
                yield f"    {queue}: has no schema"
            elif violations:
                yield f"    {queue}: breaks {name}: {mask('; '.join(map(str, violations)))}"
            else:
                yield f"    {queue}: valid by {name}"


def _why(considered: Considered) -> str:
    if considered.taken:
        return "taken"
    broken = "; ".join(map(str, considered.why_not))
    return f"not taken: {mask(broken)}" if broken else "not asked, since one before it is taken"


def as_document(trial: Trial, stage: Stage, hint: str = "") -> dict[str, Any]:
    """A trial as JSON."""
    return {
        "stage": stage.name,
        "id": trial.id,
        "outcome": trial.fate,
        "seconds": round(trial.seconds, 6),
        "reason": trial.reason or None,
        "hint": hint or None,
        "delay_seconds": trial.delay or None,
        "traceback": trial.traceback or None,
        "receipt": dict(trial.receipt) or None,
        "messages": [_product_document(product) for product in trial.products],
    }


def _product_document(product: Product) -> dict[str, Any]:
    routes = [
        {
            "to": [str(destination) for destination in one.to],
            "taken": one.taken,
            "why_not": [str(violation) for violation in one.why_not],
            "queues": {
                queue: None if violations is None else [str(violation) for violation in violations]
                for queue, violations in one.verdicts
            },
        }
        for one in product.considered
    ]
    return {"id": product.id, "body": product.body, "routes": routes}


def _read(file: BinaryIO) -> bytes:
    text = file.read().removeprefix(b"\xef\xbb\xbf").strip()
    if not text:
        raise RunnerError("there is nothing to try: the input is empty")
    return text


def _hint(trial: Trial, pipeline: Pipeline) -> str:
    """What a user forgets: in a run, the development mailbox is there."""
    if trial.fate not in ("pause", "retry", "error") or pipeline.mailbox is None:
        return ""
    listen = pipeline.mailbox.listen
    if f":{listen.port}" not in trial.reason or _answers(listen):
        return ""
    return f"the development mailbox ({listen}) is not running; 'runner run --only mailbox' starts it"


def _answers(listen: Address) -> bool:
    try:
        socket.create_connection((listen.host, listen.port), LOOK_TIMEOUT).close()
    except OSError:
        return False
    return True
