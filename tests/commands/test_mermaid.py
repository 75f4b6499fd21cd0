"""A pipeline as a Mermaid flowchart."""

from __future__ import annotations

from pathlib import Path

from runner.commands.mermaid import graph_mermaid
from tests.commands.wirings import EVERYTHING, loaded


def test_a_document_gets_a_flowchart(tmp_path: Path) -> None:
    assert (
        graph_mermaid(loaded(EVERYTHING, tmp_path))
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
