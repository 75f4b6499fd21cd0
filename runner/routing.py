"""A body → the route that it takes: its destinations, and the schemas it has to keep there.

Decides only; who asks says what a body without a route, or one that breaks a schema, means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from runner.message import Destination
from runner.pipeline import Route
from runner.topology import Topology
from runner.validation.schema import Schema


class PlannedRoute(NamedTuple):
    """A route as it is asked for each message: what can be known before is looked up once."""

    when: Schema | None
    """None: it takes every body."""
    to: tuple[Destination, ...]
    schemas: tuple[tuple[str, Schema], ...]
    """Those of all the queues that `to` leads to, with the queues' names."""


class Router:
    """The `publish` of a stage or an HTTP route, ready to be asked."""

    def __init__(self, routes: Sequence[Route], topology: Topology, schemas: Mapping[str, Schema]) -> None:
        def plan(route: Route) -> PlannedRoute:
            when = None if route.when is None else Schema(route.when)
            queues = dict.fromkeys(queue for destination in route.to for queue in topology.queues_of(destination))
            return PlannedRoute(when, route.to, tuple((queue, schemas[queue]) for queue in queues if queue in schemas))

        self._routes = [plan(route) for route in routes]

    def route(self, body: Any) -> PlannedRoute | None:
        """The first route that matches; None where none does, which the caller treats as a
        fault, since nothing may be dropped."""
        for route in self._routes:
            if route.when is None or route.when.is_valid(body):
                return route
        return None
