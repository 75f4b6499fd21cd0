"""Where messages flow: queues that nothing feeds or nothing consumes, exchanges that lead
nowhere, cycles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner import topology
from runner.config.draft import Draft
from runner.config.grammar import subject
from runner.config.graph import Edge, cycles, edges, path
from runner.errors import Problem
from runner.topology import Topology
from runner.wording import quoted

_OTHERS = "another program %s, add 'external: true'"
MOST_SHOWN = 12
"""How many queues of a cycle are named."""


def flow_problems(draft: Draft) -> Iterator[Problem]:
    """What is wrong, or doubtful, in the flow of a draft without gaps."""
    plan = topology.plan(draft.pipeline)
    every = list(edges(draft, plan))
    yield from _ends(draft, every)
    yield from _exchanges(draft, plan)
    yield from _cycles(draft, plan, every)


def _ends(draft: Draft, every: Sequence[Edge]) -> Iterator[Problem]:
    """Queues that nothing feeds, that nothing consumes, or both."""
    pipeline = draft.pipeline
    fed = {edge.target for edge in every} | {queue.name for queue in pipeline.queues.values() if queue.bind}
    consumed = {stage.consume for stage in pipeline.stages.values()}
    for name, queue in pipeline.queues.items():
        if queue.external:
            continue
        if name not in fed and name not in consumed:
            message = f"queue {name} is used by nothing; remove it, or consume it and publish to it"
        elif name not in consumed:
            message = (
                f"queue {name} is consumed by no stage: its messages stay where they are; if {_OTHERS % 'takes them'}"
            )
        elif name not in fed:
            message = (
                f"queue {name} is fed by nothing in this file: no stage or route publishes to it; if {_OTHERS % 'does'}"
            )
        else:
            continue
        yield draft.document.problem(("queues", name), message, key=True, severity="warning")


def _exchanges(draft: Draft, plan: Topology) -> Iterator[Problem]:
    pipeline = draft.pipeline
    used = {binding.exchange for queue in pipeline.queues.values() for binding in queue.bind}
    for owner, destination, trail in draft.destinations():
        used.add(destination.exchange)
        if destination.exchange and not plan.queues_of(destination):
            key = f" with the key {quoted(destination.key)}" if destination.key else ""
            message = (
                f"{subject(owner)} publishes to the exchange {quoted(destination.exchange)}{key}, which leads to no "
                "queue of this file; unless another program binds one, each publish is refused"
            )
            yield draft.document.problem(trail, message, severity="warning")
    for name in pipeline.exchanges:
        if name not in used:
            message = f"exchange {name} is used by nothing; remove it, or bind a queue to it"
            yield draft.document.problem(("exchanges", name), message, key=True, severity="warning")


# -- Cycles -----------------------------------------------------------------------


def _cycles(draft: Draft, plan: Topology, every: Sequence[Edge]) -> Iterator[Problem]:
    """Each cycle once, at the place where it closes; only a warning if messages can leave it."""
    found = cycles(every)
    cycle_of = {name: number for number, cycle in enumerate(found) for name in cycle}
    inside: list[list[Edge]] = [[] for _ in found]
    for edge in every:
        if edge.source in cycle_of and cycle_of[edge.source] == cycle_of.get(edge.target):
            inside[cycle_of[edge.source]].append(edge)
    order = {stage.consume: index for index, stage in enumerate(draft.pipeline.stages.values())}
    left = set(_left(draft, plan, cycle_of))
    for number, way in enumerate(inside):
        closing = _closing(way, order)
        queues = _arrows([closing.source, *path(way, closing.target, closing.source)])
        if number in left:
            message = f"messages can go round in a cycle here: {queues}"
            yield draft.document.problem(closing.trail, message, severity="warning")
        else:
            message = f"messages go round in a cycle that no route leaves: {queues}; give one of its stages a way out"
            yield draft.document.problem(closing.trail, message)


def _arrows(queues: Sequence[str]) -> str:
    if len(queues) > MOST_SHOWN:
        queues = [*queues[: MOST_SHOWN - 2], f"({len(queues) - MOST_SHOWN + 1} more)", queues[-1]]
    return " → ".join(queues)


def _closing(inside: Sequence[Edge], order: Mapping[str, int]) -> Edge:
    """The edge that leads back: the first to the queue of a stage that isn't below its own stage."""
    return next(edge for edge in inside if order[edge.target] <= order[edge.source])


def _left(draft: Draft, plan: Topology, cycle_of: Mapping[str, int]) -> Iterator[int]:
    """The numbers of the cycles that messages can leave."""
    for stage in draft.pipeline.stages.values():
        number = cycle_of.get(stage.consume)
        for route in stage.publish if number is not None else ():
            targets = [plan.queues_of(destination) for destination in route.to]
            if number is not None and any(not to or any(cycle_of.get(one) != number for one in to) for to in targets):
                yield number
