"""How wide tables are."""

from __future__ import annotations

import re

import pytest
from rich.table import Table
from rich.text import Text

from runner.commands.terminal import WIDTH_FOR_PROGRAMS, console, print_table


def test_a_pipe_has_no_edge_to_wrap_at(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("x" * (WIDTH_FOR_PROGRAMS - 1))
    assert capsys.readouterr().out.count("\n") == 1


def test_a_terminal_has_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console().width == 40


def printed(width: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    table = Table("id", "error", box=None)
    for n in range(2):
        table.add_row(Text(f"{n}" * 32), Text("the bank is down and has been for long"))
    print_table(table, wraps=["error"])
    return re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)


def test_a_sentence_wraps_and_an_id_does_not(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = printed(60, monkeypatch, capsys)
    assert table.count("error") == 1
    assert "0" * 32 in table
    assert "the bank is down and has been for long" not in table


def test_where_an_id_would_be_broken_up_each_cell_has_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = printed(57, monkeypatch, capsys)
    assert (lines.count("error"), lines.count("\n\n")) == (2, 1)
    assert "1" * 32 in lines
    assert "the bank is down and has been for long" in lines
