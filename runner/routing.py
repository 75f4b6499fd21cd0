"""A body → the destinations it is published to, and the schemas it has to keep there.

Decides only; who asks says what a body without a destination, or one that breaks
a schema, means.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runner.config.model import Route
from runner.message import Destination
from runner.schemas import Schema
from runner.topology import Topology


class Router:
    """The `publish` of a stage or an HTTP route, ready to be asked."""

    def __init__(self, routes: Sequence[Route], topology: Topology, schemas: Mapping[str, Schema]) -> None:
        self._routes = [(None if route.when is None else Schema(route.when), route.to) for route in routes]
        self._schemas = {
            destination: [(queue, schemas[queue]) for queue in topology.queues_of(destination) if queue in schemas]
            for route in routes
            for destination in route.to
        }
        self._only = self._routes[0][1] if self._routes and self._routes[0][0] is None else None

    def destinations(self, body: Any) -> tuple[Destination, ...]:
        """Those of the first route that matches; none where none does, which the caller
        treats as a fault, since nothing may be dropped."""
        if self._only is not None:
            return self._only
        return next((to for when, to in self._routes if when is None or when.is_valid(body)), ())

    def schemas(self, destination: Destination) -> Sequence[tuple[str, Schema]]:
        """The schemas of the queues that `destination` leads to, with the queues' names."""
        return self._schemas[destination]
