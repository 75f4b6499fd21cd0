"""The pipeline as a drawing: boxes for routes and queues with their stages, and the arrows between them.

It is drawn twice, along and down the page, for wide and for narrow screens. Left out: the figures
in it (see `figures`), and SVG itself (see `templates/graph.svg`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from runner import topology
from runner.config.arrows import Arrow, arrows_of
from runner.config.graph import Edge, without_ways_back
from runner.console.layout import Layout, lay_out
from runner.pipeline import Pipeline, Stage

WIDTH, HEIGHT = 220, 104
"""Of a queue's box, in pixels."""
ROUTE_WIDTH, ROUTE_HEIGHT = 190, 36
"""Of a route's."""
MARGIN = 2
ALONG_GAP, DOWN_GAP = 104, 46
"""Between two layers: along the page, where labels stand in between, and down it."""
BESIDE = 22
"""Between two boxes of a layer."""
LANE = 14
"""What an arrow takes that passes a box, or leads back."""


@dataclass(frozen=True, slots=True)
class Box:
    """A route of the intake, or a queue with the stage that consumes it."""

    x: float
    y: float
    width: float
    height: float
    name: str
    queue: str = ""
    """Empty: a route."""
    stage: Stage | None = None


@dataclass(frozen=True, slots=True)
class Wire:
    """An arrow: an SVG path, and a label with its place."""

    path: str
    label: str
    x: float
    y: float
    straight: bool = False
    """Whether it has no bend where the label is."""
    back: bool = False
    """Whether it leads back to a queue further up."""


@dataclass(frozen=True, slots=True)
class Graph:
    width: float
    height: float
    down: bool
    boxes: Sequence[Box]
    wires: Sequence[Wire]


def graphs_of(pipeline: Pipeline) -> tuple[Graph, Graph]:
    """The drawing along the page, and the one down it."""
    drawing = _Drawing(pipeline)
    return drawing.graph(down=False), drawing.graph(down=True)


class _Drawing:
    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._stages = {stage.consume: stage for stage in pipeline.stages.values()}
        plan = topology.plan(pipeline)
        routes = pipeline.http.routes if pipeline.http else ()
        self._arrows: dict[str, list[Arrow]] = {str(route): list(arrows_of(route.publish, plan)) for route in routes}
        self._routes = set(self._arrows)
        for queue in pipeline.queues:
            stage = self._stages.get(queue)
            self._arrows[queue] = list(arrows_of(stage.publish, plan)) if stage is not None else []

    def graph(self, *, down: bool) -> Graph:
        names = list(self._arrows)
        edges = [Edge(name, a.target, ()) for name in names for a in self._arrows[name] if a.target is not None]
        onwards = without_ways_back(names, edges)
        leads = {name: [target for target in names if target in onwards[name]] for name in names}
        layout = lay_out(leads, node=WIDTH if down else HEIGHT, lane=LANE, gap=BESIDE)
        pen = _Pen(layout, self._routes, down=down)
        wires = [wire for name in names for wire in self._wires(pen, name, onwards[name])]
        return Graph(pen.width, pen.height, down, [self._box(pen, name) for name in names], wires)

    def _box(self, pen: _Pen, name: str) -> Box:
        place = pen.corner(name)
        if name in self._routes:
            return Box(*place, *pen.size(name), name)
        return Box(*place, *pen.size(name), name, name, self._stages.get(name))

    def _wires(self, pen: _Pen, name: str, onwards: set[str]) -> Iterator[Wire]:
        labels: dict[str, list[str]] = {}
        for arrow in self._arrows[name]:
            if arrow.target is not None:
                labels.setdefault(arrow.target, []).append(arrow.label)
        for target, told in labels.items():
            label = " or ".join(dict.fromkeys(filter(None, told)))
            yield pen.onward(name, target, label) if target in onwards else pen.back(name, target, label)


class _Pen:
    """Draws in one of the two directions: what is computed is along and across the flow."""

    def __init__(self, layout: Layout, routes: Collection[str], *, down: bool) -> None:
        self._layout, self._routes, self._down = layout, routes, down
        self._ways_back = 0
        self._breadth = layout.breadth + 2 * MARGIN
        self._starts, self._ends, at = [], [], float(MARGIN)
        for layer in range(layout.depth):
            self._starts.append(at)
            self._ends.append(at + max(self._thick(name) for name, own in layout.layer.items() if own == layer))
            at = self._ends[-1] + (DOWN_GAP if down else ALONG_GAP)
        self._length = (self._ends[-1] if self._ends else 0.0) + MARGIN

    @property
    def width(self) -> float:
        return self._side if self._down else self._length

    @property
    def height(self) -> float:
        return self._length if self._down else self._side

    @property
    def _side(self) -> float:
        return self._breadth + (self._ways_back + 1) * LANE * (self._ways_back > 0)

    def corner(self, name: str) -> tuple[float, float]:
        """The upper left one of a box."""
        width, height = self.size(name)
        half = (width if self._down else height) / 2
        return self._flip(self._end(name) - self._thick(name), self._across(name) - half)

    def size(self, name: str) -> tuple[float, float]:
        """Width and height of a box."""
        return (ROUTE_WIDTH, ROUTE_HEIGHT) if name in self._routes else (WIDTH, HEIGHT)

    def onward(self, source: str, target: str, label: str) -> Wire:
        points = [(self._end(source), self._across(source))]
        for layer, across in self._layout.passes.get((source, target), ()):
            points += [(self._starts[layer], across + MARGIN), (self._ends[layer], across + MARGIN)]
        points.append((self._end(target) - self._thick(target), self._across(target)))
        path = [f"M{self._xy(*points[0])}"]
        for number, (one, other) in enumerate(pairwise(points)):
            middle = (one[0] + other[0]) / 2
            straight = number % 2 or one[1] == other[1]  # every second part passes a box
            bend = f"C{self._xy(middle, one[1])} {self._xy(middle, other[1])} {self._xy(*other)}"
            path.append(f"L{self._xy(*other)}" if straight else bend)
        x, y = self._flip((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2)
        return Wire(" ".join(path), label, x, y, straight=points[0][1] == points[1][1])

    def back(self, source: str, target: str, label: str) -> Wire:
        """Around everything, on a lane of its own."""
        self._ways_back += 1
        lane = self._breadth + self._ways_back * LANE - MARGIN
        half = (WIDTH if self._down else HEIGHT) / 2
        thick = self._thick(source)
        start, end = self._end(source) - 0.4 * thick, self._end(target) - 0.6 * thick
        if source == target:
            start, end = end, start
        points = [
            (start, self._across(source) + half),
            (start, lane),
            (end, lane),
            (end, self._across(target) + half),
        ]
        x, y = self._flip((start + end) / 2, lane)
        return Wire("M" + " L".join(self._xy(*point) for point in points), label, x, y, back=True)

    def _thick(self, name: str) -> float:
        return self.size(name)[self._down]

    def _end(self, name: str) -> float:
        return self._ends[self._layout.layer[name]]

    def _across(self, name: str) -> float:
        return MARGIN + self._layout.across[name]

    def _flip(self, along: float, across: float) -> tuple[float, float]:
        return (across, along) if self._down else (along, across)

    def _xy(self, along: float, across: float) -> str:
        x, y = self._flip(along, across)
        return f"{x:g},{y:g}"
