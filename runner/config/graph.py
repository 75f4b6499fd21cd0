"""A pipeline as a graph: which queue leads to which, and where that is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner import topology
from runner.config.draft import Draft
from runner.config.yaml.document import Trail


@dataclass(frozen=True, slots=True)
class Edge:
    """A message on `source` (empty: of an HTTP route) may be followed by one on `target`."""

    source: str
    target: str
    trail: Trail


def edges(draft: Draft) -> Iterator[Edge]:
    """One for each queue that each destination leads to: those of the stages, then those of the routes."""
    plan = topology.plan(draft.pipeline)
    for owner, routes in draft.routes.items():
        source = draft.pipeline.stages[str(owner[1])].consume if owner[0] == "stages" else ""
        for route in routes:
            for destination, trail in route.to:
                yield from (Edge(source, target, trail) for target in plan.queues_of(destination))


def cycles(every: Sequence[Edge]) -> Iterator[frozenset[str]]:
    """The sets of queues that all lead to each other (strongly connected components)."""
    forward, backward = _neighbours(every), _neighbours([Edge(e.target, e.source, e.trail) for e in every])
    found: set[str] = set()
    for source in filter(None, forward):
        if source not in found:
            cycle = _reached(forward, source) & _reached(backward, source)
            found |= cycle
            if cycle:
                yield frozenset(cycle)


def path(every: Sequence[Edge], start: str, end: str) -> list[str]:
    """The queues of a shortest path from `start` to `end`, both included."""
    forward = _neighbours(every)
    ways = deque([[start]])
    seen = {start}
    while ways:
        path = ways.popleft()
        if path[-1] == end:
            return path
        fresh = [name for name in forward.get(path[-1], ()) if name not in seen]
        seen.update(fresh)
        ways.extend([*path, name] for name in fresh)
    return []


def _neighbours(every: Iterable[Edge]) -> dict[str, list[str]]:
    neighbours: dict[str, list[str]] = {}
    for edge in every:
        neighbours.setdefault(edge.source, []).append(edge.target)
    return neighbours


def _reached(neighbours: dict[str, list[str]], start: str) -> set[str]:
    """All that can be reached from `start`; itself only by a way that leads back."""
    reached: set[str] = set()
    ahead = deque(neighbours.get(start, ()))
    while ahead:
        name = ahead.popleft()
        if name not in reached:
            reached.add(name)
            ahead.extend(neighbours.get(name, ()))
    return reached
