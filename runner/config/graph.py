"""A pipeline as a graph: which queue leads to which, and where the file says so."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from runner.config.draft import Draft
from runner.errors import Trail
from runner.topology import Topology


@dataclass(frozen=True, slots=True)
class Edge:
    """A message on `source` (empty: of an HTTP route) may be followed by one on `target`."""

    source: str
    target: str
    trail: Trail


def edges(draft: Draft, plan: Topology) -> Iterator[Edge]:
    """One for each queue that each destination leads to: those of the stages, then those of the routes."""
    for owner, routes in draft.routes.items():
        source = draft.pipeline.stages[str(owner[1])].consume if owner[0] == "stages" else ""
        for route in routes:
            for destination, trail in route.to:
                yield from (Edge(source, target, trail) for target in plan.queues_of(destination))


def cycles(every: Sequence[Edge]) -> list[frozenset[str]]:
    """The sets of queues that all lead to each other (strongly connected components)."""
    loops = {edge.source for edge in every if edge.source == edge.target}
    return [found for found in _components(every) if len(found) > 1 or found & loops]


def _components(every: Sequence[Edge]) -> Iterator[frozenset[str]]:
    """Kosaraju's algorithm: list the queues in the order in which a depth-first search leaves
    them; then, from the last on, those that lead to a queue and aren't taken yet form its component."""
    forward, backward = _neighbours(every), _neighbours([Edge(e.target, e.source, e.trail) for e in every])
    left = [name for start in _unseen(forward, forward, set()) for name in start]
    for component in _unseen(reversed(left), backward, {""}):
        yield frozenset(component)


def _unseen(starts: Iterable[str], neighbours: dict[str, list[str]], seen: set[str]) -> Iterator[list[str]]:
    """For each of `starts` that wasn't reached before: what is reached from it, and not from an
    earlier one, in the order in which the search leaves it."""
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        left, ways = [], [(start, iter(neighbours.get(start, ())))]
        while ways:
            name, ahead = ways[-1]
            found = next((one for one in ahead if one not in seen), None)
            if found is None:
                ways.pop()
                left.append(name)
            else:
                seen.add(found)
                ways.append((found, iter(neighbours.get(found, ()))))
        yield left


def without_ways_back(queues: Sequence[str], every: Sequence[Edge]) -> dict[str, set[str]]:
    """Queue → those that it leads to, except those that lead back to it from further down in `queues`."""
    place = {queue: index for index, queue in enumerate(queues)}
    found = cycles(every)
    leads: dict[str, set[str]] = {queue: set() for queue in queues}
    for edge in every:
        in_cycle = any({edge.source, edge.target} <= cycle for cycle in found)
        if not (in_cycle and place[edge.target] <= place[edge.source]):
            leads[edge.source].add(edge.target)
    return leads


def path(every: Sequence[Edge], start: str, end: str) -> list[str]:
    """The queues of a shortest path from `start` to `end`, both included."""
    forward = _neighbours(every)
    before = {start: ""}
    ahead = deque([start])
    while ahead and end not in before:
        name = ahead.popleft()
        for found in forward.get(name, ()):
            if found not in before:
                before[found] = name
                ahead.append(found)
    return list(_back(before, end))[::-1]


def _back(before: dict[str, str], end: str) -> Iterator[str]:
    while end in before:
        yield end
        end = before[end]


def _neighbours(every: Iterable[Edge]) -> dict[str, list[str]]:
    neighbours: dict[str, list[str]] = {}
    for edge in every:
        neighbours.setdefault(edge.source, []).append(edge.target)
    return neighbours
