"""A pipeline as a drawing: lines for a terminal, Mermaid for a document.

In the terminal the queues stand below each other, in the order in which messages pass them,
each with the stage that consumes it. An arrow that doesn't lead straight down to the next
queue takes a lane on the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runner import topology
from runner.brokers import registry
from runner.commands.canvas import Canvas
from runner.config.graph import Edge, cycles
from runner.config.loader import LoadedPipeline
from runner.config.yaml.writer import inline
from runner.message import Destination
from runner.pipeline import HttpRoute, JsonSchema, Pipeline, Route, Stage
from runner.topology import Topology, dead_letter_queue
from runner.units import format_duration

_LONGEST_LABEL = 44
_MOST_WAITS = 8


@dataclass(frozen=True, slots=True)
class _Arrow:
    """From a stage or an HTTP route to a queue (None: to an exchange that leads to none here)."""

    target: str | None
    label: str


def _arrows(routes: Sequence[Route], plan: Topology) -> Iterator[_Arrow]:
    for index, route in enumerate(routes):
        condition = "otherwise" if route.when is None and index else condensed(route.when)
        for destination in route.to:
            label = ", ".join(part for part in (condition, _via(destination)) if part)
            for queue in plan.queues_of(destination) or [None]:
                yield _Arrow(queue, label)


def _via(destination: Destination) -> str:
    return f"exchange {destination}".removesuffix("/") if destination.exchange else ""


# -- Conditions -------------------------------------------------------------------


def condensed(when: JsonSchema | None) -> str:
    """A `when` in as few words as possible: `has refusal`, `amount ≥ 100`."""
    if when is None or when is True:
        return ""
    if when is False:
        return "never"
    told = {keyword: asked for keyword, asked in when.items() if keyword not in _SAYS_NOTHING}
    phrases = list(_phrases(told))
    text = inline(told) if None in phrases or not phrases else " and ".join(phrases)
    return text if len(text) <= _LONGEST_LABEL else text[: _LONGEST_LABEL - 1] + "…"


_SAYS_NOTHING = ("$id", "$schema", "description", "title", "type")


def _phrases(when: Mapping[str, Any]) -> Iterator[Any]:
    """None for each part that has no short form."""
    compared = when.get("properties", {})
    for keyword, asked in when.items():
        if keyword == "required":
            yield from (f"has {name}" for name in asked if name not in compared)
        elif keyword == "properties":
            for name, schema in asked.items():
                yield from (_comparison(name, one, value) for one, value in _members(schema))
        else:
            yield f"is valid under {asked}" if keyword == "$ref" else None


def _members(schema: Any) -> Iterable[tuple[str, Any]]:
    return schema.items() if isinstance(schema, dict) else [("", schema)]


def _comparison(name: str, keyword: str, asked: Any) -> str | None:
    signs = {"const": "=", "minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    if keyword in signs:
        return f"{name} {signs[keyword]} {inline(asked)}"
    return f"{name} in {inline(asked)}" if keyword == "enum" else None


# -- The order --------------------------------------------------------------------


def _order(queues: Iterable[str], outgoing: Mapping[str, Sequence[_Arrow]]) -> list[str]:
    """The queues as messages pass them: each after those that lead to it (in a cycle,
    after those above it in the file), and right after one of them if possible."""
    left = list(queues)
    leads = _without_ways_back(left, outgoing)
    order: list[str] = []
    while left:
        waiting = {target for queue in left for target in leads[queue]}
        ready = [queue for queue in left if queue not in waiting]
        order.append(next((queue for queue in ready if order and queue in leads[order[-1]]), ready[0]))
        left.remove(order[-1])
    return order


def _without_ways_back(queues: Sequence[str], outgoing: Mapping[str, Sequence[_Arrow]]) -> Mapping[str, set[str]]:
    """Queue → those that it leads to, except those that lead back to it from further down."""
    place = {queue: index for index, queue in enumerate(queues)}
    edges = [Edge(queue, a.target, ()) for queue in queues for a in outgoing.get(queue, ()) if a.target is not None]
    turns = list(cycles(edges))
    leads: dict[str, set[str]] = {queue: set() for queue in queues}
    for edge in edges:
        in_cycle = any(edge.source in turn and edge.target in turn for turn in turns)
        if not (in_cycle and place[edge.target] <= place[edge.source]):
            leads[edge.source].add(edge.target)
    return leads


# -- For a terminal ---------------------------------------------------------------


def graph_text(loaded: LoadedPipeline) -> str:
    """The pipeline drawn with lines."""
    return "\n".join(_Drawing(loaded.pipeline).lines()) + "\n"


class _Drawing:
    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._plan = topology.plan(pipeline)
        self._stages = {stage.consume: stage for stage in pipeline.stages.values()}
        self._canvas = Canvas()

    def lines(self) -> list[str]:
        first, *others = [registry.shown(url, self._pipeline.folder) for url in self._pipeline.broker]
        self._canvas.add(f"{self._pipeline.name} on {first}" + (f" and {len(others)} more" if others else ""))
        outgoing = {queue: list(_arrows(stage.publish, self._plan)) for queue, stage in self._stages.items()}
        order = _order(self._pipeline.queues, outgoing)
        sources = self._http_sources(order)
        falls = False
        for queue, following in zip(order, [*order[1:], None], strict=True):
            for route, arrows in sources.get(queue, ()):
                self._separate(falls)
                is_last = route is sources[queue][-1][0]
                falls = self._source([f"  {route}"], arrows, queue if is_last else None)
            self._separate(falls)
            falls = self._queue(queue, outgoing.get(queue, ()), None if following in sources else following)
        for route, arrows in sources.get(None, ()):
            self._separate(falls)
            falls = self._source([f"  {route}"], arrows, None)
        return self._canvas.lines()

    def _http_sources(self, order: Sequence[str]) -> Mapping[str | None, list[tuple[HttpRoute, list[_Arrow]]]]:
        """The HTTP routes, above the first queue that they lead to; None: they lead to none here."""
        sources: dict[str | None, list[tuple[HttpRoute, list[_Arrow]]]] = {}
        for route in self._pipeline.http.routes if self._pipeline.http else ():
            arrows = list(_arrows(route.publish, self._plan))
            targets = {arrow.target for arrow in arrows}
            sources.setdefault(next((queue for queue in order if queue in targets), None), []).append((route, arrows))
        return sources

    def _separate(self, falls: bool) -> None:
        if not falls:
            self._canvas.add()

    def _queue(self, name: str, arrows: Sequence[_Arrow], following: str | None) -> bool:
        """A queue and its stage. Returns whether that leads straight to the `following` queue."""
        queue = self._pipeline.queues[name]
        notes = [queue.schema.name] if queue.schema else []
        notes += [queue.type] if queue.type != "quorum" else []
        notes += [f"at most {queue.max_length}"] if queue.max_length else []
        notes += [f"bound to {bind.exchange}" + (f"/{bind.key}" if bind.key else "") for bind in queue.bind]
        self._canvas.arrive(queue.name, f"  ({queue.name})" + (f"  {', '.join(notes)}" if notes else ""))
        stage = self._stages.get(queue.name)
        if stage is None:
            return False
        self._canvas.add("    │")
        return self._source(_box(stage), arrows, following)

    def _source(self, rows: Sequence[str], arrows: Sequence[_Arrow], following: str | None) -> bool:
        """A stage or a route, and its arrows. Returns whether one leads straight to `following`."""
        for row in rows:
            self._canvas.add(row)
        straight = next((arrow for arrow in arrows if arrow.target == following is not None), None)
        aside = [arrow for arrow in arrows if arrow is not straight]
        for arrow in aside:
            corner = "└" if straight is None and arrow is aside[-1] else "├"
            self._canvas.leave(arrow.target, f"    {corner}─{f' {arrow.label} ' if arrow.label else ''}")
        if straight is not None:
            self._canvas.add(f"    │ {straight.label}".rstrip())
            self._canvas.add("    ▼")
        return straight is not None


def _box(stage: Stage) -> list[str]:
    """A stage in a box: its name, its retries, where its dead letters go."""
    waits = [format_duration(wait) for wait in stage.retry.table()]
    shown = waits if len(waits) <= _MOST_WAITS else [*waits[: _MOST_WAITS - 2], "…", waits[-1]]
    lines = [
        stage.name + (f" × {stage.concurrency}" if stage.concurrency > 1 else ""),
        _attempts(stage) + (f", waits {' '.join(shown)}" if waits else ""),
        f"then {dead_letter_queue(stage.consume)}",
    ]
    width = max(map(len, lines))
    top, bottom = f"  ┌─┴{'─' * width}┐", f"  └─{'┬' if stage.publish else '─'}{'─' * width}┘"
    return [top, *(f"  │ {line.ljust(width)} │" for line in lines), bottom]


def _attempts(stage: Stage) -> str:
    return f"{stage.retry.attempts} attempt" + ("" if stage.retry.attempts == 1 else "s")


# -- For a document ---------------------------------------------------------------


def graph_mermaid(loaded: LoadedPipeline) -> str:
    """The pipeline as a Mermaid flowchart."""
    return "\n".join(_mermaid(loaded.pipeline)) + "\n"


def _mermaid(pipeline: Pipeline) -> Iterator[str]:
    plan = topology.plan(pipeline)
    queues = {name: f"queue{index}" for index, name in enumerate(pipeline.queues)}
    yield "flowchart TD"
    for name, node in queues.items():
        yield f"  {node}([{_label(name)}])"
    for index, route in enumerate(pipeline.http.routes if pipeline.http else ()):
        yield f"  route{index}[/{_label(str(route))}/]"
        yield from _mermaid_arrows(f"route{index}", route.publish, plan, queues)
    for index, stage in enumerate(pipeline.stages.values()):
        yield f"  stage{index}[{_label(stage.name)}]"
        yield f"  {queues[stage.consume]} --> stage{index}"
        yield from _mermaid_arrows(f"stage{index}", stage.publish, plan, queues)
        yield f"  stage{index} -. {_label(f'after {stage.retry.attempts} attempts')} .-> dead{index}"
        yield f"  dead{index}([{_label(dead_letter_queue(stage.consume))}])"


def _mermaid_arrows(source: str, routes: Sequence[Route], plan: Topology, queues: Mapping[str, str]) -> Iterator[str]:
    for index, arrow in enumerate(_arrows(routes, plan)):
        label = f"-- {_label(arrow.label)} " if arrow.label else ""
        if arrow.target is None:
            yield f"  {source} {label}--> {source}_out{index}(( ))"
        else:
            yield f"  {source} {label}--> {queues[arrow.target]}"


def _label(text: str) -> str:
    """Quoted for Mermaid, which reads HTML's entities."""
    return '"' + text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;") + '"'
