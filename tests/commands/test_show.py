"""`runner show`: the file, or a drawing of it."""

from __future__ import annotations

from pathlib import Path

from tests.commands.prompt import run


def test_show_prints_the_file_the_graph_and_mermaid(file: Path) -> None:
    assert "attempts: 5" in run("show", file).output
    assert "POST /pay" in run("show", "--graph", file).output
    assert run("show", "--mermaid", file).output.startswith("flowchart")
