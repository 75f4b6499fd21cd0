"""Drawings of a pipeline for a terminal."""

from __future__ import annotations

import re
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.commands.drawing import graph_text
from runner.config.loader import LoadedPipeline, load
from runner.message import Destination
from runner.pipeline import Pipeline, Queue, Route, Stage
from tests.commands.wirings import EVERYTHING, TAKE, loaded

ROOT = Path(__file__).parents[2]


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


def test_what_does_not_go_straight_on_takes_a_lane(tmp_path: Path) -> None:
    assert (
        graph_text(loaded(EVERYTHING, tmp_path))
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


def test_lanes_that_do_not_meet_share_a_column(tmp_path: Path) -> None:
    text = """
queues: {a: {}, b: {}, c: {}, d: {}, e: {}}
stages:
  one: {consume: a, TAKE, publish: [b, c]}
  two: {consume: b, TAKE, publish: c}
  three: {consume: c, TAKE, publish: [d, e]}
  four: {consume: d, TAKE, publish: e}
""".replace("TAKE", TAKE)
    drawn = graph_text(loaded(text, tmp_path)).splitlines()
    corners = [row.index("┐") for row in drawn if row.startswith("    ├") and row.endswith("┐")]
    assert len(corners) == 2
    assert corners[0] == corners[1]


def test_a_destination_that_leads_to_no_queue_ends_in_the_open(tmp_path: Path) -> None:
    text = f"""
exchanges: {{events: {{type: topic}}}}
queues: {{a: {{}}}}
stages: {{one: {{consume: a, {TAKE}, publish: [{{to: {{exchange: events, key: x.y}}}}]}}}}
"""
    assert "    └─ exchange events/x.y ▶ no queue of this file\n" in graph_text(loaded(text, tmp_path))


def test_a_cycle_is_drawn_from_the_queue_that_stands_first(tmp_path: Path) -> None:
    text = f"""
queues: {{a: {{}}, b: {{}}}}
stages:
  one: {{consume: a, {TAKE}, publish: b}}
  two: {{consume: b, {TAKE}, publish: [{{when: {{required: [again]}}, to: a}}, {{to: {{exchange: out}}}}]}}
exchanges: {{out: {{type: fanout}}}}
"""
    drawn = graph_text(loaded(text, tmp_path))
    assert drawn.index("(a) ◀") < drawn.index("(b)") < drawn.index("├─ has again ")


def test_no_password_is_drawn(tmp_path: Path) -> None:
    drawn = graph_text(loaded("broker: [amqp://u:hunter2@a/v, amqp://u:hunter2@b/v]\nqueues: {a: {}}\n", tmp_path))
    assert drawn.splitlines()[0] == "pipeline on amqp://u:********@a/v and 1 more"


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
