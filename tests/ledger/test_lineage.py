"""Queues that copies of one message can reach in several ways, and how the ways are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from runner.ledger.hops import HopKey
from runner.ledger.lineage import converging, hop_of, via_after, via_of
from runner.message import VIA, Delivery, Session
from runner.topology import plan
from tests.pipelines import loaded

HANDLER = "'tests.config.handlers:take'"


def found(folder: Path, stages: Mapping[str, Any], *, route: str = "a", queues: str = "") -> set[str]:
    """The converging queues of a pipeline: each stage by the queue that it consumes, and what it publishes to."""
    lines = [
        f"  s{n}: {{consume: {consume}, handler: {HANDLER}{f', publish: {publish}' if publish else ''}}}"
        for n, (consume, publish) in enumerate(stages.items())
    ]
    names = ", ".join(f"{queue}: {{}}" for queue in stages)
    text = (
        f"broker: BROKER\nqueues: {{{names}{queues}}}\nhttp: {{routes: {{POST /a: {{publish: {route}}}}}}}\nstages:\n"
    )
    pipeline = loaded(folder, text + "\n".join(lines)).pipeline
    return set(converging(pipeline, plan(pipeline)))


def test_in_a_line_there_is_one_way(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": "b", "b": "c", "c": ""}) == set()


def test_a_fork_whose_ways_never_meet_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": "[b, c]", "b": "", "c": ""}) == set()


def test_a_diamond_meets_and_so_does_all_behind_it(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": "[b, c]", "b": "d", "c": "d", "d": "e", "e": ""}) == {"d", "e"}


def test_a_short_cut_meets_the_long_way(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": "[b, c]", "b": "c", "c": ""}) == {"c"}


def test_ways_of_which_a_body_takes_only_one_do_not_meet(tmp_path: Path) -> None:
    either = "[{when: {required: [x]}, to: b}, {to: c}]"
    assert found(tmp_path, {"a": either, "b": "d", "c": "d", "d": ""}) == set()


def test_the_intake_may_fork_too(tmp_path: Path) -> None:
    assert found(tmp_path, {"a": "c", "b": "c", "c": ""}, route="[a, b]") == {"c"}


def test_a_cycle_meets_itself(tmp_path: Path) -> None:
    loop = {"a": "b", "b": "[{when: {required: [again]}, to: b}, {to: c}]", "c": ""}
    assert found(tmp_path, loop) == {"b", "c"}


def delivery(headers: Mapping[str, Any]) -> Delivery:
    return Delivery("in", "m1", b"{}", headers, 1, Session(), 1)


def test_each_way_and_each_round_has_its_own_mark() -> None:
    way, seen = HopKey("m1", "b"), set[str]()
    for _ in range(1_000):
        mark = via_after(way)
        seen.add(mark)
        assert hop_of(delivery({VIA: mark})) == HopKey("m1", "in", mark)
        way = HopKey("m1", "b", mark)
    assert len(seen) == 1_000
    assert via_after(HopKey("m1", "b")) != via_after(HopKey("m1", "c"))


@pytest.mark.parametrize("written", [7, None, b"ab", "x" * 17, "1.1 proxy", "a\x00b", "", ["ab"], {"a": 1}])
def test_what_a_sender_has_written_into_the_header_does_no_harm(written: Any) -> None:
    assert via_of({VIA: written}) == ""
    assert hop_of(delivery({VIA: written})) == HopKey("m1", "in")
