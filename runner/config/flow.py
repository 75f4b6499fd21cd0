"""Which way messages go: queues that nothing feeds or nobody consumes, exchanges that
lead nowhere, cycles.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runner import topology
from runner.config.draft import Draft
from runner.config.grammar import subject
from runner.config.graph import Edge, cycles, edges, path
from runner.errors import Problem
from runner.wording import quoted


def flow_problems(draft: Draft) -> Iterator[Problem]:
    """What is wrong, or doubtful, in the flow of a draft without gaps."""
    yield from _ends(draft)
    yield from _exchanges(draft)
    yield from _cycles(draft)


def _ends(draft: Draft) -> Iterator[Problem]:
    """Queues that nothing feeds, that nobody consumes, or neither."""
    pipeline = draft.pipeline
    fed = {edge.target for edge in edges(draft)} | {queue.name for queue in pipeline.queues.values() if queue.bind}
    consumed = {stage.consume for stage in pipeline.stages.values()}
    for name in pipeline.queues:
        if name not in fed and name not in consumed:
            message = f"queue {name} is used by nothing; remove it, or consume it and publish to it"
        elif name not in consumed:
            message = f"queue {name} is consumed by no stage: its messages stay where they are"
        elif name not in fed:
            message = f"queue {name} is fed by nothing in this file: no stage or route publishes to it"
        else:
            continue
        yield draft.document.problem(("queues", name), message, key=True, severity="warning")


def _exchanges(draft: Draft) -> Iterator[Problem]:
    pipeline, plan = draft.pipeline, topology.plan(draft.pipeline)
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


def _cycles(draft: Draft) -> Iterator[Problem]:
    every = list(edges(draft))
    for cycle in cycles(every):
        inside = [edge for edge in every if edge.source in cycle and edge.target in cycle]
        closing = _closing(draft, inside)
        queues = " → ".join([closing.source, *path(inside, closing.target, closing.source)])
        if _leaves(draft, cycle):
            message = f"messages can go round in a cycle here: {queues}"
            yield draft.document.problem(closing.trail, message, severity="warning")
        else:
            message = f"messages go round in a cycle that no route leaves: {queues}; give one of its stages a way out"
            yield draft.document.problem(closing.trail, message)


def _closing(draft: Draft, inside: Iterable[Edge]) -> Edge:
    """The edge that leads back: the first one to the queue of a stage that isn't below its own."""
    order = {stage.consume: index for index, stage in enumerate(draft.pipeline.stages.values())}
    return next(edge for edge in inside if order[edge.target] <= order[edge.source])


def _leaves(draft: Draft, cycle: frozenset[str]) -> bool:
    plan = topology.plan(draft.pipeline)
    for stage in draft.pipeline.stages.values():
        for route in stage.publish if stage.consume in cycle else ():
            for destination in route.to:
                targets = plan.queues_of(destination)
                if not targets or not cycle.issuperset(targets):
                    return True
    return False
