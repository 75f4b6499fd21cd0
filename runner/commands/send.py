"""`runner send`: publishes documents from a file, one JSON document or JSON lines.

Each is checked like a body that comes by HTTP, and counted only once the broker has
confirmed it. A bad line is reported by its number, and doesn't stop the others. Left out:
how that is shown (see `progress`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

import click

from runner.brokers.base import Broker
from runner.commands.connecting import connected
from runner.commands.documents import Line, documents
from runner.commands.loading import PIPELINE_OPTION
from runner.commands.progress import Progress
from runner.config.loader import load
from runner.errors import PublishError, RunnerError
from runner.message import Outgoing, new_id
from runner.operations import router_to
from runner.routing import Reason, Refusal, Router
from runner.wording import counted

BATCH = 500
"""How many messages are published before waiting for their confirms."""
CONFIRM_TIMEOUT = 30.0
"""Seconds to wait for the confirms of a batch."""


@click.command()
@PIPELINE_OPTION
@click.argument("target")
@click.argument("file", type=click.File("rb"), default="-")
def send(pipeline: Path, target: str, file: Any) -> None:
    """Publish JSON documents from FILE, or from standard input.

    FILE is one JSON document, or has one on each line. TARGET is a queue, or an HTTP route
    that stands for its queues: 'POST /make-payment'.
    """
    loaded = load(pipeline)
    router = router_to(loaded, target)
    if loaded.sealer is not None and router.seals:
        loaded.sealer.prepare(production=loaded.pipeline.production)
    with connected(loaded, "send") as broker, Progress(_size(file)) as progress:
        try:
            publish(broker, router, documents(file), progress)
        except RunnerError as error:
            raise RunnerError(f"{error}; {progress.place()}") from error
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


class Report(Protocol):
    """Learns how it goes."""

    def bad(self, number: int, reason: str) -> None:
        """The document on line `number` was not published."""

    def dealt_with(self, lines: Sequence[Line], confirmed: int) -> None:
        """These are done, and so many of them were confirmed."""


def publish(broker: Broker, router: Router, lines: Iterable[Line], report: Report) -> None:
    """Publish `lines`, in batches.

    Raises BrokerUnavailableError if the broker goes away; what was confirmed before that
    has been reported by then.
    """
    lines = iter(lines)
    while batch := list(islice(lines, BATCH)):
        numbers: dict[str, int] = {}
        messages: list[Outgoing] = []
        for line in batch:
            routed = router.route_text(line.text.strip(), new_id())
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
