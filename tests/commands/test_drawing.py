"""Drawings of a pipeline."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.commands.drawing import condensed, graph_mermaid, graph_text
from runner.config.loader import LoadedPipeline, load
from runner.message import Destination
from runner.pipeline import Pipeline, Queue, Route, Stage

ROOT = Path(__file__).parents[2]
TAKE = "handler: tests.config.handlers:take, retry: {attempts: 1}"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "any.json").write_text("true")
    return tmp_path


def loaded(text: str) -> LoadedPipeline:
    Path("pipeline.yaml").write_text(text)
    return load(Path("pipeline.yaml"), environ={})


def shipped() -> LoadedPipeline:
    return load(ROOT / "pipeline.yaml", environ={})


def test_the_shipped_pipeline_is_drawn_as_its_messages_flow() -> None:
    assert (
        graph_text(shipped())
        == """\
payments on embedded:var/broker.db

  POST /make-payment
    │
    ▼
  (payment_queue)  payment.json
    │
  ┌─┴───────────────────────────────┐
  │ validate_payment                │
  │ 5 attempts, waits 2s 6s 18s 54s │
  │ then payment_queue.dlq          │
  └─┬───────────────────────────────┘
    ├─ has refusal ──────────────────────────────────────────────┐
    │ otherwise                                                  │
    ▼                                                            │
  (validated_payment_queue)  payment.json                        │
    │                                                            │
  ┌─┴──────────────────────────────────────────────┐             │
  │ process_payment × 4                            │             │
  │ 8 attempts, waits 2s 6s 18s 54s 2m42s 8m6s 15m │             │
  │ then validated_payment_queue.dlq               │             │
  └─┬──────────────────────────────────────────────┘             │
    │                                                            │
    ▼                                                            │
  (notification_queue)  notification.json ◀──────────────────────┘
    │
  ┌─┴─────────────────────────────────────────────────────────┐
  │ send_email × 4                                            │
  │ 13 attempts, waits 10s 30s 1m30s 4m30s 13m30s 40m30s … 4h │
  │ then notification_queue.dlq                               │
  └───────────────────────────────────────────────────────────┘
"""
    )


EVERYTHING = f"""
http:
  routes:
    POST /in: {{publish: a}}
    PUT /in: {{publish: [{{when: {{required: [x]}}, to: d}}, {{to: [a, c]}}]}}
exchanges: {{events: {{type: topic}}}}
queues:
  a: {{schema: any.json}}
  b: {{max_length: 5}}
  c: {{type: classic, bind: [{{exchange: events, key: "#"}}]}}
  d: {{}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two:
    consume: b
    handler: tests.config.handlers:take
    retry: {{attempts: 12, factor: 1.5, max_delay: 1m}}
    concurrency: 4
    publish:
      - {{when: {{properties: {{n: {{minimum: 3}}}}}}, to: a}}
      - to: {{exchange: events, key: done}}
  end: {{consume: c, {TAKE}}}
"""


def test_what_does_not_go_straight_on_takes_a_lane() -> None:
    assert (
        graph_text(loaded(EVERYTHING))
        == """\
pipeline on embedded:var/broker.db

  POST /in
    └─────────────────────────────────────────────────────────────────────┐
                                                                          │
  PUT /in                                                                 │
    ├─ has x ─────────────────────────────────────────────────────────────┼──┐
    ├─ otherwise ──────────────────────────────────────────────────────┐  │  │
    │ otherwise                                                        │  │  │
    ▼                                                                  │  │  │
  (a)  any.json ◀──────────────────────────────────────────────────────┼──┤  │
    │                                                                  │  │  │
  ┌─┴──────────┐                                                       │  │  │
  │ one        │                                                       │  │  │
  │ 1 attempt  │                                                       │  │  │
  │ then a.dlq │                                                       │  │  │
  └─┬──────────┘                                                       │  │  │
    │                                                                  │  │  │
    ▼                                                                  │  │  │
  (b)  at most 5                                                       │  │  │
    │                                                                  │  │  │
  ┌─┴───────────────────────────────────────────────────────────────┐  │  │  │
  │ two × 4                                                         │  │  │  │
  │ 12 attempts, waits 2s 3s 4s500ms 6s750ms 10s125ms 15s188ms … 1m │  │  │  │
  │ then b.dlq                                                      │  │  │  │
  └─┬───────────────────────────────────────────────────────────────┘  │  │  │
    ├─ n ≥ 3 ──────────────────────────────────────────────────────────┼──┘  │
    │ otherwise, exchange events/done                                  │     │
    ▼                                                                  │     │
  (c)  classic, bound to events/# ◀────────────────────────────────────┘     │
    │                                                                        │
  ┌─┴──────────┐                                                             │
  │ end        │                                                             │
  │ 1 attempt  │                                                             │
  │ then c.dlq │                                                             │
  └────────────┘                                                             │
                                                                             │
  (d) ◀──────────────────────────────────────────────────────────────────────┘
"""
    )


def test_lanes_that_do_not_meet_share_a_column() -> None:
    text = """
queues: {a: {}, b: {}, c: {}, d: {}, e: {}}
stages:
  one: {consume: a, TAKE, publish: [b, c]}
  two: {consume: b, TAKE, publish: c}
  three: {consume: c, TAKE, publish: [d, e]}
  four: {consume: d, TAKE, publish: e}
""".replace("TAKE", TAKE)
    drawn = graph_text(loaded(text)).splitlines()
    corners = [row.index("┐") for row in drawn if row.startswith("    ├") and row.endswith("┐")]
    assert len(corners) == 2
    assert corners[0] == corners[1]


def test_a_destination_that_leads_to_no_queue_ends_in_the_open() -> None:
    text = f"""
exchanges: {{events: {{type: topic}}}}
queues: {{a: {{}}}}
stages: {{one: {{consume: a, {TAKE}, publish: [{{to: {{exchange: events, key: x.y}}}}]}}}}
"""
    assert "    └─ exchange events/x.y ▶ no queue of this file\n" in graph_text(loaded(text))


def test_a_cycle_is_drawn_from_the_queue_that_stands_first() -> None:
    text = f"""
queues: {{a: {{}}, b: {{}}}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two: {{consume: b, {TAKE}, publish: [{{when: {{required: [again]}}, to: a}}, {{to: {{exchange: out}}}}]}}
exchanges: {{out: {{type: fanout}}}}
"""
    drawn = graph_text(loaded(text))
    assert drawn.index("(a) ◀") < drawn.index("(b)") < drawn.index("├─ has again ")


def test_no_password_is_drawn() -> None:
    drawn = graph_text(loaded("broker: [amqp://u:hunter2@a/v, amqp://u:hunter2@b/v]\nqueues: {a: {}}\n"))
    assert drawn.splitlines()[0] == "pipeline on amqp://u:********@a/v and 1 more"


@pytest.mark.parametrize(
    ("when", "text"),
    [
        (None, ""),
        (True, ""),
        (False, "never"),
        ({"required": ["a", "b"]}, "has a and has b"),
        ({"properties": {"a": {"const": "x"}}, "required": ["a"]}, "a = x"),
        ({"properties": {"a": {"enum": ["x", "1"]}}, "required": ["a", "b"]}, 'a in [x, "1"] and has b'),
        ({"properties": {"n": {"minimum": 1, "exclusiveMaximum": 9}}, "type": "object"}, "n ≥ 1 and n < 9"),
        ({"$id": "file:///x", "$ref": "late.json"}, "is valid under late.json"),
        ({"not": {"required": ["a"]}}, "{not: {required: [a]}}"),
        ({"properties": {"a": {"pattern": "^x"}}, "required": ["a"]}, '{properties: {a: {pattern: "^x"}}, required…'),
        ({"type": "object"}, "{}"),
    ],
)
def test_a_condition_is_said_as_short_as_it_can_be(when: Any, text: str) -> None:
    assert condensed(when) == text


def test_a_document_gets_a_flowchart() -> None:
    assert (
        graph_mermaid(loaded(EVERYTHING))
        == """\
flowchart TD
  queue0(["a"])
  queue1(["b"])
  queue2(["c"])
  queue3(["d"])
  route0[/"POST /in"/]
  route0 --> queue0
  route1[/"PUT /in"/]
  route1 -- "has x" --> queue3
  route1 -- "otherwise" --> queue0
  route1 -- "otherwise" --> queue2
  stage0["one"]
  queue0 --> stage0
  stage0 --> queue1
  stage0 -. "after 1 attempts" .-> dead0
  dead0(["a.dlq"])
  stage1["two"]
  queue1 --> stage1
  stage1 -- "n ≥ 3" --> queue0
  stage1 -- "otherwise, exchange events/done" --> queue2
  stage1 -. "after 12 attempts" .-> dead1
  dead1(["b.dlq"])
  stage2["end"]
  queue2 --> stage2
  stage2 -. "after 1 attempts" .-> dead2
  dead2(["c.dlq"])
"""
    )


NAMES = ["a", "b", "c", "d", "e"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), unique=True), min_size=1))
def test_any_wiring_is_drawn_with_each_queue_and_stage_once(wiring: dict[str, list[str]]) -> None:
    stages = {
        f"from_{queue}": Stage(f"from_{queue}", queue, "m:f", publish=publish(targets))
        for queue, targets in wiring.items()
    }
    queues = {name: Queue(name) for name in NAMES}
    pipeline = Pipeline("any", Path("/there/p.yaml"), ("amqp://h",), queues, stages)
    drawing = graph_text(LoadedPipeline(pipeline, {}, {}))
    assert all(drawing.count(f"({name})") == 1 for name in NAMES)
    assert all(drawing.count(f"│ {name} ") == 1 for name in stages)
    assert len([row for row in drawing.splitlines() if re.match("    ([├└]─|▼)", row)]) == sum(
        map(len, wiring.values())
    )


def publish(targets: list[str]) -> tuple[Route, ...]:
    return (Route(tuple(Destination("", target) for target in targets)),) if targets else ()
