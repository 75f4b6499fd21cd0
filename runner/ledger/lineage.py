"""Queues that copies of one message can reach in several ways: there, a copy's id alone doesn't
say which copy it is.

Two queues that a stage publishes to may lead to the same third one, and a cycle leads to where
it began. What goes to such a queue carries a header that tells the ways apart.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from runner.ledger.hops import HopKey
from runner.message import VIA, Delivery
from runner.pipeline import Pipeline, Route
from runner.topology import Topology

_LONGEST = 16


def via_of(headers: Mapping[str, Any]) -> str:
    via = headers.get(VIA, "") if headers else ""
    return via if isinstance(via, str) and len(via) <= _LONGEST and via.isalnum() else ""


def hop_of(delivery: Delivery) -> HopKey:
    return HopKey(delivery.id, delivery.queue, via_of(delivery.headers))


def via_after(hop: HopKey) -> str:
    """The header of what is published for this copy."""
    return hashlib.blake2b(f"{hop.via} {hop.queue}".encode(), digest_size=_LONGEST // 2).hexdigest()


def converging(pipeline: Pipeline, topology: Topology) -> frozenset[str]:
    """The queues that copies of one message can reach in several ways."""
    routes = {stage.consume: _targets(stage.publish, topology) for stage in pipeline.stages.values()}
    doors = [_targets(route.publish, topology) for route in (pipeline.http.routes if pipeline.http else ())]
    reached = {queue: _reached(queue, routes) for queue in pipeline.queues}
    found: set[str] = set()
    for queue, below in reached.items():
        if any(queue in reached[target] for way in routes.get(queue, ()) for target in way):
            found |= below  # a cycle
    for way in (way for ways in [*routes.values(), *doors] for way in ways):
        seen: set[str] = set()
        for target in way:
            found |= seen & reached[target]
            seen |= reached[target]
    return frozenset(found)


def _targets(routes: Iterable[Route], topology: Topology) -> list[list[str]]:
    """For each route the queues that it publishes to, all at once."""
    return [[queue for destination in route.to for queue in topology.queues_of(destination)] for route in routes]


def _reached(queue: str, routes: Mapping[str, list[list[str]]]) -> set[str]:
    """The queue, and all that lie behind it."""
    found, left = {queue}, [queue]
    while left:
        for target in (target for way in routes.get(left.pop(), ()) for target in way):
            if target not in found:
                found.add(target)
                left.append(target)
    return found
