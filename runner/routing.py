"""A body → the messages to publish, or why not: there is no other way from body to message.

The intake, `runner send` and a stage's result all come through here: parse, choose the
route, check the schemas of the queues that it leads to, seal. Decides only; each caller says
what a refusal means, and words it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Any, NamedTuple

import orjson

from runner.json_text import parse_json
from runner.message import NO_HEADERS, Destination, Outgoing
from runner.pipeline import Route
from runner.privacy.sealing import Sealer
from runner.sensitive import Outward, holds_tokens
from runner.topology import Topology
from runner.validation.marks import Place, union
from runner.validation.schema import Schema
from runner.validation.violations import Violation, first


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


class Considered(NamedTuple):
    """A route, as one body meets it."""

    to: tuple[Destination, ...]
    taken: bool
    why_not: tuple[Violation, ...] = ()
    """What the body breaks of `when`. Empty if an earlier route was taken."""
    verdicts: tuple[tuple[str, tuple[Violation, ...] | None], ...] = ()
    """Of the route that is taken: what the body breaks of the schema of each queue; None: it has none."""


class Router:
    """The `publish` of a stage or an HTTP route, ready for use.

    With a `sealer`, what the schemas of its queues mark as sensitive is sealed in all messages,
    whichever of the queues they go to.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        topology: Topology,
        schemas: Mapping[str, Schema],
        sealer: Sealer | None = None,
    ) -> None:
        def plan(route: Route) -> PlannedRoute:
            when = None if route.when is None else Schema(route.when)
            queues = dict.fromkeys(queue for destination in route.to for queue in topology.queues_of(destination))
            self._queues.append(tuple(queues))
            return PlannedRoute(when, route.to, tuple((queue, schemas[queue]) for queue in queues if queue in schemas))

        self._queues: list[tuple[str, ...]] = []
        self._routes = [plan(route) for route in routes]
        self._sealer = sealer
        self.marks: Place | None = None
        """What has to be sealed in its bodies; None: nothing, or nothing can be."""
        if sealer is not None:
            self.marks = union(schema.marks for route in self._routes for _, schema in route.schemas)
        self.seals = self.marks is not None
        """Whether some schema of its queues marks what has to be sealed."""

    def route_text(self, text: bytes, id: str, headers: Mapping[str, Any] = NO_HEADERS) -> list[Outgoing] | Refusal:
        """What is published, under the id `id`, for the JSON `text` of a sender. Raises KeysError."""
        try:
            body = parse_json(text)
        except ValueError as error:
            return Refusal(Reason.NOT_JSON, str(error))
        if self._sealer is None:
            return self.route(body, text, id, headers)
        if (b"sealed." in text or b"\\" in text) and holds_tokens(body):
            return Refusal(Reason.INVALID, violations=(_FORGED,))
        if self.marks is None:
            return self.route(body, text, id, headers)
        return self.route_sealed(body, id, headers)

    def route(
        self, body: Any, text: bytes, id: str, headers: Mapping[str, Any] = NO_HEADERS
    ) -> list[Outgoing] | Refusal:
        """What is published for `body`, whose JSON is `text`: one message with `headers` for each
        destination of the first route that takes the body. Nothing in it is sensitive.

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

    def route_sealed(self, body: Any, id: str, headers: Mapping[str, Any] = NO_HEADERS) -> list[Outgoing] | Refusal:
        """The same for a `body` that holds sensitive values, or some that are sealed already: a route
        sees their masks, a schema the values themselves, and a queue only tokens.

        Raises KeysError, and TypeError or ValueError for what JSON can't hold.
        """
        try:
            outward = Outward(body, self.marks, id)
        except RecursionError:
            return Refusal(Reason.INVALID, violations=(Violation("", "is nested too deeply"),))
        outward.show_masks()
        for when, to, schemas in self._routes:
            if when is not None and not when.is_valid(outward.body):
                continue
            if self._sealer is not None:
                outward.seal(self._sealer)
            for queue, schema in schemas:
                if violations := outward.violations(schema):
                    named = {violation.pointer for violation in violations}
                    more = (fault for fault in outward.faults if fault.pointer not in named)
                    return Refusal(Reason.INVALID, queue=queue, violations=first((*violations, *more)))
            if outward.faults:
                return Refusal(Reason.INVALID, violations=first(outward.faults))
            text = outward.text()
            return [Outgoing(destination, id, text, headers) for destination in to]
        return Refusal(Reason.NO_ROUTE)

    def consider(self, body: Any, id: str) -> tuple[Considered, ...]:
        """How each route meets `body`, for people: which one is taken, and what the others want. Decides
        as `route_sealed` does, and raises the same."""
        outward = Outward(body, self.marks, id)
        outward.show_masks()
        found: list[Considered] = []
        for (when, to, schemas), queues in zip(self._routes, self._queues, strict=True):
            if any(one.taken for one in found):
                found.append(Considered(to, taken=False))
            elif when is not None and not when.is_valid(outward.body):
                found.append(Considered(to, taken=False, why_not=when.violations(outward.body)))
            else:
                known = dict(schemas)
                if self._sealer is not None:
                    outward.seal(self._sealer)
                verdicts = ((name, outward.violations(known[name]) if name in known else None) for name in queues)
                found.append(Considered(to, taken=True, verdicts=tuple(verdicts)))
        return tuple(found)


_FORGED = Violation("", "has a text that begins like a sealed value, which no sender may write")
