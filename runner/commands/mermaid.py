"""A pipeline as a Mermaid flowchart, for a document (mermaid.js.org/syntax/flowchart.html)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from runner import topology
from runner.config.arrows import arrows_of
from runner.config.loader import LoadedPipeline
from runner.pipeline import Pipeline, Route
from runner.topology import Topology, dead_letter_queue


def graph_mermaid(loaded: LoadedPipeline) -> str:
    """The pipeline as a Mermaid flowchart."""
    return "\n".join(_lines(loaded.pipeline)) + "\n"


def _lines(pipeline: Pipeline) -> Iterator[str]:
    plan = topology.plan(pipeline)
    queues = {name: f"queue{index}" for index, name in enumerate(pipeline.queues)}
    yield "flowchart TD"
    for name, node in queues.items():
        yield f"  {node}([{_label(name)}])"
    for index, route in enumerate(pipeline.http.routes if pipeline.http else ()):
        yield f"  route{index}[/{_label(str(route))}/]"
        yield from _links(f"route{index}", route.publish, plan, queues)
    for index, stage in enumerate(pipeline.stages.values()):
        yield f"  stage{index}[{_label(stage.name)}]"
        yield f"  {queues[stage.consume]} --> stage{index}"
        yield from _links(f"stage{index}", stage.publish, plan, queues)
        yield f"  stage{index} -. {_label(f'after {stage.retry.attempts} attempts')} .-> dead{index}"
        yield f"  dead{index}([{_label(dead_letter_queue(stage.consume))}])"


def _links(source: str, routes: Sequence[Route], plan: Topology, queues: Mapping[str, str]) -> Iterator[str]:
    for index, arrow in enumerate(arrows_of(routes, plan)):
        label = f"-- {_label(arrow.label)} " if arrow.label else ""
        if arrow.target is None:
            yield f"  {source} {label}--> {source}_out{index}(( ))"
        else:
            yield f"  {source} {label}--> {queues[arrow.target]}"


def _label(text: str) -> str:
    """Quoted for Mermaid, which reads HTML's entities."""
    return '"' + text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;") + '"'
