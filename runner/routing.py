"""A body → the destinations it is published to. Decides only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from runner.config.model import Route
from runner.message import Destination
from runner.schemas import Schema


class Router:
    """The `publish` of a stage or an HTTP route, ready to be asked.

    The first route that matches is taken. A body that none matches has no
    destinations: the caller treats that as a fault, since nothing may be dropped.
    """

    def __init__(self, routes: Sequence[Route]) -> None:
        self._routes = [(None if route.when is None else Schema(route.when), route.to) for route in routes]
        only = self._routes[0] if self._routes else (None, ())
        self._fixed: tuple[Destination, ...] | None = only[1] if only[0] is None else None

    def destinations(self, body: Any) -> tuple[Destination, ...]:
        if self._fixed is not None:
            return self._fixed
        return next((to for when, to in self._routes if when is None or when.is_valid(body)), ())
