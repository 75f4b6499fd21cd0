"""`runner resume`: what it ends, and what it says where there is nothing to end."""

from __future__ import annotations

from pathlib import Path

from runner.audit import read_trail
from tests.commands.prompt import run


def test_a_paused_stage_goes_on_and_that_is_written_down(remembering: Path) -> None:
    run("pause", "-p", remembering, "take", "--reason", "the bank is down")
    result = run("resume", "-p", remembering, "take", "--reason", "it is back")
    assert result.stdout == "resumed take: it takes what waits on payments\n"
    assert [(deed["deed"], deed["reason"]) for deed in read_trail(remembering.parent, 9)] == [
        ("resume", "it is back"),
        ("pause", "the bank is down"),
    ]
    assert run("pause", "-p", remembering, "take", "--reason", "again").exit_code == 0


def test_what_nobody_has_paused_cannot_be_resumed(remembering: Path) -> None:
    result = run("resume", "-p", remembering, "take")
    assert result.exit_code == 1
    assert "nobody has paused take; 'runner status' says if it has paused by itself" in result.stderr
    assert read_trail(remembering.parent, 9) == []
