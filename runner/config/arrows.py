"""The arrows of a drawing: where each route leads, and when.

Left out: how they are drawn (see `drawing` and `mermaid`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from runner.config.conditions import condensed
from runner.message import Destination
from runner.pipeline import Route
from runner.topology import Topology


@dataclass(frozen=True, slots=True)
class Arrow:
    """From a stage or an HTTP route to a queue."""

    target: str | None
    """None: an exchange that leads to no queue of this file."""
    label: str


def arrows_of(routes: Sequence[Route], plan: Topology) -> Iterator[Arrow]:
    """The arrows of a stage or an HTTP route with these `routes`."""
    for index, route in enumerate(routes):
        condition = "otherwise" if route.when is None and index else condensed(route.when)
        for destination in route.to:
            label = ", ".join(part for part in (condition, _via(destination)) if part)
            for queue in plan.queues_of(destination) or [None]:
                yield Arrow(queue, label)


def _via(destination: Destination) -> str:
    return f"exchange {destination}".removesuffix("/") if destination.exchange else ""
