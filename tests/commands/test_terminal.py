"""How wide tables are."""

from __future__ import annotations

import pytest

from runner.commands.terminal import WIDTH_FOR_PROGRAMS, console


def test_a_pipe_has_no_edge_to_wrap_at(capsys: pytest.CaptureFixture[str]) -> None:
    console().print("x" * (WIDTH_FOR_PROGRAMS - 1))
    assert capsys.readouterr().out.count("\n") == 1


def test_a_terminal_has_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert console().width == 40
