"""Where each route leads, and when."""

from __future__ import annotations

from pathlib import Path

from runner.config.arrows import Arrow, arrows_of
from runner.topology import plan
from tests.commands.wirings import EVERYTHING, TAKE, loaded


def test_a_route_has_an_arrow_to_each_of_its_queues(tmp_path: Path) -> None:
    pipeline = loaded(EVERYTHING, tmp_path).pipeline
    assert pipeline.http is not None
    arrows = arrows_of(pipeline.http.routes[1].publish, plan(pipeline))
    assert list(arrows) == [Arrow("d", "has x"), Arrow("a", "otherwise"), Arrow("c", "otherwise")]


def test_an_exchange_is_named_whether_or_not_it_leads_to_a_queue(tmp_path: Path) -> None:
    text = f"""
exchanges: {{events: {{type: topic}}}}
queues: {{a: {{}}, b: {{bind: [{{exchange: events, key: "x.*"}}]}}}}
stages:
  one:
    consume: a
    {TAKE.replace(", retry", chr(10) + "    retry")}
    publish: [{{when: false, to: {{exchange: events, key: x.y}}}}, {{to: {{exchange: events, key: z}}}}]
"""
    pipeline = loaded(text, tmp_path).pipeline
    arrows = arrows_of(pipeline.stages["one"].publish, plan(pipeline))
    assert list(arrows) == [Arrow("b", "never, exchange events/x.y"), Arrow(None, "otherwise, exchange events/z")]
