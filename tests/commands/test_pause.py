"""`runner pause`: who may not, what it asks for, and what it says. Its effect is in `system/test_pausing`."""

from __future__ import annotations

from pathlib import Path

from runner.audit import read_trail, who
from runner.ledger.ledger import Ledger
from tests.commands.prompt import run


def test_a_stage_is_paused_before_the_first_run_and_the_reason_is_written_down(remembering: Path) -> None:
    result = run("pause", "-p", remembering, "take", "--reason", "the bank is down")
    assert result.stdout == "paused take: its messages wait on payments until 'runner resume take'\n"
    [deed] = read_trail(remembering.parent, 9)
    assert (deed["deed"], deed["stage"], deed["reason"]) == ("pause", "take", "the bank is down")
    ledger = Ledger(f"sqlite:{remembering.parent / 'ledger.db'}").open(timeout=30.0)
    assert (ledger.pauses.all()["take"].why, ledger.pauses.all()["take"].who) == ("the bank is down", deed["who"])
    ledger.close()


def test_one_that_is_paused_already_stays_so_for_the_first_reason(remembering: Path) -> None:
    run("pause", "-p", remembering, "take", "--reason", "the bank is down")
    result = run("pause", "-p", remembering, "take", "--reason", "again")
    assert result.exit_code == 1
    assert result.stderr.endswith(f"take is already paused by {who()}: the bank is down\n")


def test_it_wants_a_reason_and_a_stage_of_the_file(remembering: Path) -> None:
    assert run("pause", "-p", remembering, "take").exit_code == 2
    assert run("pause", "-p", remembering, "take", "--reason", " ").exit_code == 2
    result = run("pause", "-p", remembering, "tke", "--reason", "x")
    assert "there is no stage 'tke' (did you mean 'take'?)" in result.stderr
    assert read_trail(remembering.parent, 9) == []


def test_without_a_ledger_nobody_would_remember_it(file: Path) -> None:
    result = run("pause", "-p", file, "take", "--reason", "x")
    assert (result.exit_code, "has no ledger; add 'ledger: " in result.stderr) == (1, True)
