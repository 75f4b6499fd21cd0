"""How dead letters are printed: nothing in them acts on the terminal, or is shown in the clear."""

from __future__ import annotations

import pytest

from runner.brokers.base import Shelved
from runner.commands.letters import as_document, print_groups, print_letter, shown
from runner.deadletters import grouped, read

EVIL = read("payments", Shelved("m", b"\x1b[31m", {"runner-error": "[red]\x1b[31mno", "runner-stage": "a\nb"}, 0))


def test_what_others_wrote_never_acts_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    print_letter(EVIL, None)
    print_groups(grouped([EVIL]))
    printed = capsys.readouterr().out
    assert "\x1b[31m" not in printed
    assert "[red]" in printed
    assert "a b" in printed


def test_a_body_that_is_sealed_as_a_whole_is_left_out() -> None:
    sealed = read("payments", Shelved("m", b'"token"', {"runner-sealed": "it was no JSON"}, 0))
    assert as_document(sealed)["body"] is None


def test_a_time_that_is_not_known_is_said_to_be() -> None:
    assert shown(None) == "at an unknown time"


def test_a_long_line_is_shown_and_one_that_nobody_reads_is_cut(capsys: pytest.CaptureFixture[str]) -> None:
    traceback = "x" * 300 + " END"
    body = b'"' + b"y" * 1_000_000 + b'"'
    headers = {"runner-error": "boom", "runner-traceback": traceback}
    print_letter(read("orders", Shelved("a", body, headers, None)), None)
    shown = capsys.readouterr().out
    assert f"    {traceback}\n" in shown
    assert "yyy…\n" in shown
    assert len(shown) < 5_000
