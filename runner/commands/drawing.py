"""A pipeline drawn with lines, for a terminal.

The queues stand below each other, in the order in which messages pass them, each with the
stage that consumes it. An arrow that doesn't lead straight down to the next queue takes a
lane on the right.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from runner import topology
from runner.brokers import registry
from runner.commands.canvas import Canvas
from runner.config.arrows import Arrow, arrows_of
from runner.config.graph import Edge, without_ways_back
from runner.config.loader import LoadedPipeline
from runner.pipeline import HttpRoute, Pipeline, Stage
from runner.topology import dead_letter_queue
from runner.units import format_duration

_MOST_WAITS = 8


# -- The order --------------------------------------------------------------------


def _order(queues: Iterable[str], outgoing: Mapping[str, Sequence[Arrow]]) -> list[str]:
    """The queues as messages pass them: each after those that lead to it (in a cycle,
    after those above it in the file), and right after one of them if possible."""
    left = list(queues)
    edges = [Edge(queue, a.target, ()) for queue in left for a in outgoing.get(queue, ()) if a.target is not None]
    leads = without_ways_back(left, edges)
    order: list[str] = []
    while left:
        waiting = {target for queue in left for target in leads[queue]}
        ready = [queue for queue in left if queue not in waiting]
        order.append(next((queue for queue in ready if order and queue in leads[order[-1]]), ready[0]))
        left.remove(order[-1])
    return order


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
        outgoing = {queue: list(arrows_of(stage.publish, self._plan)) for queue, stage in self._stages.items()}
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

    def _http_sources(self, order: Sequence[str]) -> Mapping[str | None, list[tuple[HttpRoute, list[Arrow]]]]:
        """The HTTP routes, above the first queue that they lead to; None: they lead to none here."""
        sources: dict[str | None, list[tuple[HttpRoute, list[Arrow]]]] = {}
        for route in self._pipeline.http.routes if self._pipeline.http else ():
            arrows = list(arrows_of(route.publish, self._plan))
            targets = {arrow.target for arrow in arrows}
            sources.setdefault(next((queue for queue in order if queue in targets), None), []).append((route, arrows))
        return sources

    def _separate(self, falls: bool) -> None:
        if not falls:
            self._canvas.add()

    def _queue(self, name: str, arrows: Sequence[Arrow], following: str | None) -> bool:
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

    def _source(self, rows: Sequence[str], arrows: Sequence[Arrow], following: str | None) -> bool:
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
