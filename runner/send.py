"""Publishing documents from a file: one JSON document, or JSON lines.

Each is checked like a body that comes by HTTP, and counted only once the broker has
confirmed it. A bad line is told by its number and stops no other. How that is shown
is `progress`'s business.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, BinaryIO, Protocol

import orjson

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import PublishError, RunnerError
from runner.message import Destination, Outgoing, new_id
from runner.pipeline import Route
from runner.routing import Router
from runner.topology import plan
from runner.wording import did_you_mean

BATCH = 500
"""Messages that are published before their confirms are waited for."""
CONFIRM_TIMEOUT = 30.0
"""Seconds to wait for the confirms of a batch."""


class TargetError(RunnerError):
    """There is no such queue or route."""


@dataclass(frozen=True, slots=True)
class Line:
    """One document: the number of the line that it begins on, and its bytes."""

    number: int
    text: bytes


def target(loaded: LoadedPipeline, name: str) -> Router:
    """The router for a queue's name, or an HTTP route: `POST /make-payment`, or only its path.

    Raises TargetError.
    """
    pipeline = loaded.pipeline
    routes: dict[str, Sequence[Route]] = {queue: [Route((Destination("", queue),))] for queue in pipeline.queues}
    for route in pipeline.http.routes if pipeline.http is not None else ():
        routes[str(route)] = route.publish
        routes.setdefault(route.path, route.publish)
    if name not in routes:
        known = f"known are {', '.join(routes)}"
        raise TargetError(f"there is no queue and no route '{name}'{did_you_mean(name, routes)}; {known}")
    return Router(routes[name], plan(pipeline), loaded.schemas)


def documents(source: BinaryIO) -> Iterator[Line]:
    """The documents in `source`: lines, where one of the first two is a document by itself
    and isn't alone; else the whole of it is one."""
    numbered = (Line(number, text) for number, text in enumerate(source, start=1) if text.strip())
    first = list(islice(numbered, 2))
    if len(first) == 2 and any(map(_is_json, first)):
        return chain(first, numbered)
    rest = list(chain(first, numbered))
    return iter([Line(rest[0].number, b"".join(line.text for line in rest))] if rest else [])


def _is_json(line: Line) -> bool:
    try:
        orjson.loads(line.text)
    except orjson.JSONDecodeError:
        return False
    return True


class Report(Protocol):
    """Who is told how it goes."""

    def bad(self, number: int, reason: str) -> None:
        """The document on line `number` is not published."""

    def dealt_with(self, lines: Sequence[Line], confirmed: int) -> None:
        """These have been dealt with, and so many of them were confirmed."""


def send(broker: Broker, router: Router, lines: Iterable[Line], report: Report) -> None:
    """Publish `lines`, in batches.

    Raises BrokerUnavailableError where the broker goes away; what was confirmed before
    that has been reported by then.
    """
    lines = iter(lines)
    while batch := list(islice(lines, BATCH)):
        numbers: dict[str, int] = {}
        messages: list[Outgoing] = []
        for line in batch:
            try:
                made = _messages(router, line)
            except ValueError as error:
                report.bad(line.number, str(error))
                continue
            numbers[made[0].id] = line.number
            messages += made
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


def _messages(router: Router, line: Line) -> list[Outgoing]:
    """Raises ValueError with what is wrong with the document."""
    try:
        body: Any = orjson.loads(line.text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"no JSON: {error}") from None
    route = router.route(body)
    if route is None:
        raise ValueError("matches none of the routes")
    for _, schema in route.schemas:
        if faults := schema.violations(body):
            raise ValueError("; ".join(map(str, faults)))
    message_id = new_id()
    return [Outgoing(destination, message_id, line.text.strip()) for destination in route.to]
