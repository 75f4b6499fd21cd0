"""Queues as a graph: which leads to which, and where the file says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.config import graph
from runner.config.draft import draft_pipeline
from runner.config.graph import Edge
from runner.config.yaml.parser import parse_yaml
from runner.topology import plan
from tests.config.files import places


def edges(*pairs: str) -> list[Edge]:
    """`ab` is an edge from a to b; ` a` one from an HTTP route."""
    return [Edge(pair[0].strip(), pair[1], ()) for pair in pairs]


def test_each_queue_that_a_destination_leads_to_is_an_edge_at_its_place() -> None:
    text, marks = places(
        """
exchanges: {events: {type: topic}}
queues: {a: {}, b: {bind: [{exchange: events, key: "order.*"}]}, c: {bind: [{exchange: events, key: "#"}]}}
stages:
  s:
    consume: a
    handler: x:y
    publish: [{when: {required: [n]}, to: ¦b}, {to: ¦{exchange: events, key: order.x}}]
http: {routes: {POST /in: {publish: ¦a}}}
"""
    )
    document = parse_yaml(text.encode(), "p.yaml", {})
    draft = draft_pipeline(document, Path("/p.yaml"), frozenset())
    found = list(graph.edges(draft, plan(draft.pipeline)))
    assert [(edge.source, edge.target) for edge in found] == [("a", "b"), ("a", "b"), ("a", "c"), ("", "a")]
    assert [document.place(edge.trail) for edge in found] == [marks[0], marks[1], marks[1], marks[2]]


@pytest.mark.parametrize(
    ("pairs", "cycles"),
    [
        (["ab", "bc"], []),
        (["aa"], ["a"]),
        (["ab", "ba", "bc"], ["ab"]),
        (["ab", "bc", "ca", "bd"], ["abc"]),
        (["aa", "ab", "bc", "cb"], ["a", "bc"]),
        (["ab", "ba", "bc", "cb"], ["abc"]),
        ([" a", "ab"], []),
    ],
)
def test_queues_that_all_lead_to_each_other_are_a_cycle(pairs: list[str], cycles: list[str]) -> None:
    assert set(graph.cycles(edges(*pairs))) == {frozenset(cycle) for cycle in cycles}


def test_a_long_way_round_is_a_cycle_and_a_path() -> None:
    names = [f"q{number}" for number in range(10_000)]
    ring = [Edge(one, other, ()) for one, other in zip(names, [*names[1:], names[0]], strict=True)]
    assert graph.cycles(ring) == [frozenset(names)]
    assert graph.path(ring, names[1], names[0]) == [*names[1:], names[0]]
    assert graph.path(ring, names[1], names[1]) == [names[1]]


@pytest.mark.parametrize(
    ("pairs", "path"),
    [
        (["ab", "bz"], "abz"),
        (["ab", "ac", "bz", "cd", "dz"], "abz"),
        (["ab", "ba", "bz"], "abz"),
        (["ab", "zb"], ""),
    ],
)
def test_a_path_is_a_shortest_one(pairs: list[str], path: str) -> None:
    assert graph.path(edges(*pairs), "a", "z") == list(path)
