"""Where the nodes of a directed graph stand, in layers, and where its edges pass between them.

Sugiyama's method in its simplest form: a node's layer is the longest way to it, an edge that skips
layers passes them beside the nodes, and nodes move towards those that lead to them. Positions are
along the flow (`layer`) and across it (`across`). Left out: what is drawn there (see `graph`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Pair = tuple[str, str]
SWEEPS = 4
"""How often the order in each layer is improved."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Centres of nodes, and of the places where an edge passes a layer, across the flow."""

    layer: Mapping[str, int]
    across: Mapping[str, float]
    passes: Mapping[Pair, Sequence[tuple[int, float]]]
    """For each edge that skips layers: which ones, and where."""
    depth: int
    """How many layers there are."""
    breadth: float
    """From the first node's side to the last one's."""


@dataclass(slots=True)
class _Place:
    """A node, or where an edge passes a layer."""

    name: str
    size: float
    before: list[_Place] = field(default_factory=list)
    after: list[_Place] = field(default_factory=list)
    is_node: bool = True
    at: float = 0.0


def lay_out(leads: Mapping[str, Sequence[str]], *, node: float, lane: float, gap: float) -> Layout:
    """Lay out the nodes in `leads`, which maps each to those that it leads to, without cycles.

    `node`, `lane` and `gap` are sizes across the flow: of a node, of an edge that passes, between two.
    """
    layer = _layers(leads)
    places = {name: _Place(name, node) for name in leads}
    rows: list[list[_Place]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name in leads:
        rows[layer[name]].append(places[name])
    lanes: dict[Pair, list[_Place]] = {}
    for source, targets in leads.items():
        for target in targets:
            chain = [places[source]]
            for row in range(layer[source] + 1, layer[target]):
                chain.append(_Place("", lane, is_node=False))
                rows[row].append(chain[-1])
            lanes[source, target] = chain[1:]
            chain.append(places[target])
            for one, other in pairwise(chain):
                one.after.append(other)
                other.before.append(one)
    _order(rows)
    _settle(rows, gap)
    first = min((place.at - place.size / 2 for row in rows for place in row), default=0.0)
    last = max((place.at + place.size / 2 for row in rows for place in row), default=0.0)
    passes = {
        pair: [(layer[pair[0]] + 1 + index, place.at - first) for index, place in enumerate(chain)]
        for pair, chain in lanes.items()
    }
    across = {name: place.at - first for name, place in places.items()}
    return Layout(layer, across, passes, len(rows), last - first)


def _layers(leads: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """The longest way to each."""
    before: dict[str, list[str]] = {name: [] for name in leads}
    for source, targets in leads.items():
        for target in targets:
            before[target].append(source)
    found: dict[str, int] = {}
    while len(found) < len(leads):
        for name, sources in before.items():
            if name not in found and all(source in found for source in sources):
                found[name] = max((found[source] + 1 for source in sources), default=0)
    return found


def _order(rows: Sequence[list[_Place]]) -> None:
    """Sort each layer by where its neighbours are, so that few edges cross. Nodes go before lanes."""
    for sweep in range(SWEEPS):
        downwards = sweep % 2 == 0
        for row in rows if downwards else reversed(rows):
            index = {id(place): number for other in rows for number, place in enumerate(other)}
            centres = {}
            for number, place in enumerate(row):
                near = place.before if downwards else place.after
                mean = sum(index[id(one)] for one in near) / len(near) if near else float(number)
                centres[id(place)] = (mean, not place.is_node, number)
            row.sort(key=lambda place: centres[id(place)])


def _settle(rows: Sequence[list[_Place]], gap: float) -> None:
    """Each stands straight behind the first node that leads to it, if there is room."""
    for row in rows:
        edge = None
        for place in row:
            nodes = [one for one in place.before if one.is_node] or place.before
            wanted = min((one.at for one in nodes), default=0.0 if edge is None else edge)
            least = wanted if edge is None else edge + gap + place.size / 2
            place.at = max(wanted, least)
            edge = place.at + place.size / 2
