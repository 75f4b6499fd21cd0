"""The pipeline as a drawing."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.console.graph import HEIGHT, WIDTH, Graph, graphs_of
from tests.commands.wirings import EVERYTHING, TAKE, loaded


@pytest.fixture(params=[0, 1], ids=["along", "down"])
def graph(request: pytest.FixtureRequest, tmp_path: Path) -> Graph:
    return graphs_of(loaded(EVERYTHING, tmp_path).pipeline)[request.param]


def test_there_is_a_box_for_each_route_and_each_queue(graph: Graph) -> None:
    assert [box.name for box in graph.boxes] == ["POST /in", "PUT /in", "a", "b", "c", "d"]
    assert [box.stage.name for box in graph.boxes if box.stage] == ["one", "two", "end"]


def test_no_two_boxes_overlap_and_all_are_within_the_picture(graph: Graph) -> None:
    for box in graph.boxes:
        assert box.x >= 0 <= box.y
        assert box.x + box.width <= graph.width
        assert box.y + box.height <= graph.height
        for other in graph.boxes:
            apart = abs(box.x - other.x) >= min(box.width, other.width) or abs(box.y - other.y) >= min(
                box.height, other.height
            )
            assert box is other or apart


def test_arrows_say_when_they_are_taken_and_which_lead_back(graph: Graph) -> None:
    labels = {wire.label for wire in graph.wires}
    assert {"has x", "otherwise", "n ≥ 3", "otherwise, exchange events/done"} <= labels
    assert [wire.label for wire in graph.wires if wire.back] == ["n ≥ 3"]


def test_an_arrow_ends_at_its_box(tmp_path: Path) -> None:
    text = f"queues: {{a: {{}}, b: {{}}}}\nstages: {{one: {{consume: a, {TAKE}, publish: b}}}}\n"
    along, down = graphs_of(loaded(text, tmp_path).pipeline)
    [wire], (first, second) = along.wires, along.boxes
    assert wire.path.startswith(f"M{first.x + WIDTH:g},{first.y + HEIGHT / 2:g} ")
    assert wire.path.endswith(f" {second.x:g},{second.y + HEIGHT / 2:g}") or wire.path.endswith(
        f"L{second.x:g},{second.y + HEIGHT / 2:g}"
    )
    assert down.wires[0].path.startswith(f"M{first.x + WIDTH / 2:g},{first.y + HEIGHT:g} ")


def test_a_stage_that_publishes_to_its_own_queue_leads_back_to_itself(tmp_path: Path) -> None:
    again = "[{when: {required: [again]}, to: a}, {to: b}]"
    text = f"queues: {{a: {{}}, b: {{}}}}\nstages: {{one: {{consume: a, {TAKE}, publish: {again}}}}}\n"
    for graph in graphs_of(loaded(text, tmp_path).pipeline):
        assert [(wire.label, wire.back) for wire in graph.wires] == [("has again", True), ("otherwise", False)]
