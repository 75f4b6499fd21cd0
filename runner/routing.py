"""A body → the messages to publish, or why not: there is no other way from body to message.

The intake, `runner send` and a stage's result all come through here: parse, choose the
route, check the schemas of the queues that it leads to. Decides only; each caller says what
a refusal means, and words it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson

from runner.json_text import parse_json
from runner.message import NO_HEADERS, Destination, Outgoing
from runner.pipeline import Route
from runner.topology import Topology
from runner.validation.schema import Schema
from runner.validation.violations import Violation


class Reason(Enum):
    """Why a body can't be published."""

    NOT_JSON = "not JSON"
    NO_ROUTE = "no route"
    INVALID = "invalid"


class Refusal(NamedTuple):
    """A body that can't be published, and why."""

    reason: Reason
    detail: str = ""
    """Where a text stops being JSON, in the parser's words; it repeats nothing of the text."""
    queue: str = ""
    """The queue whose schema the body breaks."""
    violations: tuple[Violation, ...] = ()


class PlannedRoute(NamedTuple):
    """A route with everything looked up that can be known before a message comes."""

    when: Schema | None
    """None: the route takes every body."""
    to: tuple[Destination, ...]
    schemas: tuple[tuple[str, Schema], ...]
    """The schemas of all the queues that `to` leads to, each with its queue's name."""


class Router:
    """The `publish` of a stage or an HTTP route, ready for use."""

    def __init__(self, routes: Sequence[Route], topology: Topology, schemas: Mapping[str, Schema]) -> None:
        def plan(route: Route) -> PlannedRoute:
            when = None if route.when is None else Schema(route.when)
            queues = dict.fromkeys(queue for destination in route.to for queue in topology.queues_of(destination))
            return PlannedRoute(when, route.to, tuple((queue, schemas[queue]) for queue in queues if queue in schemas))

        self._routes = [plan(route) for route in routes]

    def route_text(self, text: bytes, id: str) -> list[Outgoing] | Refusal:
        """What is published, under the id `id`, for the JSON `text` of a sender."""
        try:
            body = parse_json(text)
        except ValueError as error:
            return Refusal(Reason.NOT_JSON, str(error))
        return self.route(body, text, id)

    def route(
        self, body: Any, text: bytes, id: str, headers: Mapping[str, Any] = NO_HEADERS
    ) -> list[Outgoing] | Refusal:
        """What is published for `body`, whose JSON is `text`: one message with `headers` for each
        destination of the first route that takes the body.

        A body may hold values that become JSON only when written (a date, a mapping other than dict).
        """
        try:
            return self._route(body, text, id, headers)
        except (TypeError, ValueError):
            return self._route(orjson.loads(text), text, id, headers)

    def _route(self, body: Any, text: bytes, id: str, headers: Mapping[str, Any]) -> list[Outgoing] | Refusal:
        for when, to, schemas in self._routes:
            if when is not None and not when.is_valid(body):
                continue
            for queue, schema in schemas:
                if not schema.is_valid(body):
                    return Refusal(Reason.INVALID, queue=queue, violations=schema.violations(body))
            return [Outgoing(destination, id, text, headers) for destination in to]
        return Refusal(Reason.NO_ROUTE)
