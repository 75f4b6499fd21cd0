"""`runner send`: publishes documents from a file, one JSON document or JSON lines.

Each is checked like a body that comes by HTTP, and counted only once the broker has
confirmed it. A bad line is reported by its number, and doesn't stop the others. Left out:
how that is shown (see `progress`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import click

from runner.brokers.base import Broker
from runner.commands.connecting import connected
from runner.commands.documents import Line, documents
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.progress import Progress
from runner.config.loader import LoadedPipeline, load
from runner.errors import PublishError, RunnerError
from runner.headers import on_the_wire
from runner.message import NO_HEADERS, Outgoing, new_id
from runner.operations import router_to
from runner.routing import Reason, Refusal, Router
from runner.wording import counted, did_you_mean

BATCH = 500
"""How many messages are published before waiting for their confirms."""
CONFIRM_TIMEOUT = 30.0
"""Seconds to wait for the confirms of a batch."""


@click.command()
@PIPELINE_OPTION
@click.argument("target")
@click.argument("file", type=click.File("rb"), default="-")
@click.option("--header", "headers", multiple=True, metavar="NAME=VALUE", help="A header that travels with each.")
def send(pipeline: Path, target: str, file: Any, headers: Sequence[str]) -> None:
    """Publish JSON documents from FILE, or from standard input.

    FILE is one JSON document, or has one on each line. TARGET is a queue, or an HTTP route
    that stands for its queues: 'POST /make-payment'.
    """
    loaded = load(pipeline)
    router = router_to(loaded, target)
    carried = _carried(headers, _names(loaded, target))
    if loaded.sealer is not None and router.seals:
        loaded.sealer.prepare(production=loaded.pipeline.production)
    with connected(loaded, "send") as broker, Progress(_size(file)) as progress:
        try:
            publish(broker, router, documents(file), progress, carried)
        except RunnerError as error:
            raise RunnerError(f"{error}; {progress.place()}") from error
        except KeyboardInterrupt:
            click.echo(f"runner: interrupted; {progress.place()}", err=True)
            raise
    if not progress.confirmed and not progress.rejected:
        raise RunnerError("there is nothing to send: the input has no JSON document")
    rejected = f", {progress.rejected:,} not sent" if progress.rejected else ""
    click.echo(f"{counted(progress.confirmed, 'message')} confirmed on {target}{rejected}")
    sys.exit(1 if progress.rejected else 0)


def _size(file: Any) -> int | None:
    """Bytes of the whole input; None where that isn't known."""
    try:
        return os.fstat(file.fileno()).st_size or None
    except OSError:
        return None


def _names(loaded: LoadedPipeline, target: str) -> list[str]:
    """The headers that may travel to `target`: those of the route, or, to a queue, of any route."""
    routes = loaded.pipeline.http.routes if loaded.pipeline.http is not None else ()
    named = [route for route in routes if target in (str(route), route.path)]
    return sorted({name for route in named or routes for name in route.headers})


def _carried(headers: Sequence[str], names: Sequence[str]) -> dict[str, str]:
    """The headers as messages have them. Raises BadParameter."""
    by_lower = {name.lower(): name for name in names}
    found: dict[str, str] = {}
    for header in headers:
        name, equals, value = header.partition("=")
        if not equals:
            raise click.BadParameter(f"{name!r} has no '='; write NAME=VALUE, such as X-Request-ID=1138")
        if name.lower() not in by_lower:
            known = f"; known: {', '.join(names)}" if names else "; no route of the file has 'headers'"
            raise click.BadParameter(f"no header {name!r} travels there{did_you_mean(name, names)}{known}")
        try:
            wire, carried = on_the_wire(by_lower[name.lower()], value)
        except ValueError as error:
            raise click.BadParameter(str(error)) from None
        if wire in found:
            raise click.BadParameter(f"the header {name} is given twice")
        found[wire] = carried
    return found


class Report(Protocol):
    """Learns how it goes."""

    def bad(self, number: int, reason: str) -> None:
        """The document on line `number` was not published."""

    def dealt_with(self, lines: Sequence[Line], confirmed: int) -> None:
        """These are done, and so many of them were confirmed."""


def publish(
    broker: Broker, router: Router, lines: Iterable[Line], report: Report, headers: Mapping[str, str] = NO_HEADERS
) -> None:
    """Publish `lines`, in batches, each with `headers`.

    Raises BrokerUnavailableError if the broker goes away; what was confirmed before that
    has been reported by then.
    """
    lines = iter(lines)
    while batch := list(islice(lines, BATCH)):
        numbers: dict[str, int] = {}
        messages: list[Outgoing] = []
        for line in batch:
            routed = router.route_text(line.text.strip(), new_id(), headers)
            if isinstance(routed, Refusal):
                report.bad(line.number, _worded(routed))
                continue
            numbers[routed[0].id] = line.number
            messages += routed
        refused = _publish(broker, messages)
        for message_id, reason in refused.items():
            report.bad(numbers[message_id], reason)
        report.dealt_with(batch, len(numbers) - len(refused))


def _publish(broker: Broker, messages: Sequence[Outgoing]) -> dict[str, str]:
    try:
        broker.publish(messages, timeout=CONFIRM_TIMEOUT)
    except PublishError as error:
        return {message.id: f"{message.destination} refuses it: {reason}" for message, reason in error.refused}
    return {}


def _worded(refusal: Refusal) -> str:
    if refusal.reason is Reason.NOT_JSON:
        return f"not JSON: {refusal.detail}"
    if refusal.reason is Reason.NO_ROUTE:
        return "matches none of the routes"
    return "; ".join(map(str, refusal.violations))
