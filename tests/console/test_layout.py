"""Where nodes stand, and where edges pass between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from runner.console.layout import Layout, lay_out

NODE, LANE, GAP = 100.0, 10.0, 20.0


def laid_out(leads: Mapping[str, Sequence[str]]) -> Layout:
    return lay_out(leads, node=NODE, lane=LANE, gap=GAP)


def test_a_line_of_nodes_is_straight() -> None:
    layout = laid_out({"a": ["b"], "b": ["c"], "c": []})
    assert layout.layer == {"a": 0, "b": 1, "c": 2}
    assert set(layout.across.values()) == {NODE / 2}
    assert (layout.depth, layout.breadth) == (3, NODE)


def test_an_edge_that_skips_a_layer_passes_beside_its_node() -> None:
    layout = laid_out({"a": ["b", "c"], "b": ["c"], "c": []})
    [(layer, across)] = layout.passes["a", "c"]
    assert layer == layout.layer["b"] == 1
    assert across >= layout.across["b"] + NODE / 2 + GAP
    assert len({layout.across[name] for name in "abc"}) == 1, "the nodes stay in line"


def test_a_node_stands_behind_the_last_that_leads_to_it() -> None:
    assert laid_out({"d": [], "c": ["d"], "a": ["c", "d"]}).layer == {"a": 0, "c": 1, "d": 2}


def test_nothing_needs_no_room() -> None:
    assert laid_out({}) == Layout({}, {}, {}, 0, 0.0)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, list[str]]:
    """Without cycles: each node leads only to later ones."""
    names = [f"n{number}" for number in range(draw(st.integers(1, 9)))]
    return {
        name: sorted(draw(st.sets(st.sampled_from(names[number + 1 :])))) if names[number + 1 :] else []
        for number, name in enumerate(names)
    }


@given(graphs())
def test_no_two_things_are_in_one_place(leads: dict[str, list[str]]) -> None:
    layout = laid_out(leads)
    spans = [(layout.layer[name], layout.across[name], NODE) for name in leads]
    spans += [(layer, across, LANE) for chain in layout.passes.values() for layer, across in chain]
    for layer in range(layout.depth):
        row = sorted((across - size / 2, across + size / 2) for own, across, size in spans if own == layer)
        assert all(end <= start for (_, end), (start, _) in pairwise(row))
        assert all(start >= 0 and end <= layout.breadth for start, end in row)
