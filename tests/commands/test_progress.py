"""What `runner send` shows while it sends."""

from __future__ import annotations

import pytest

from runner.commands.documents import Line
from runner.commands.progress import Progress


def test_a_bad_line_is_one_line_of_the_log_however_long_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "/card " + "must match [0-9] " * 20
    with Progress(None) as progress:
        progress.bad(7, reason)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", f"line 7: {reason}\n")
    assert progress.rejected == 1


def test_without_a_terminal_no_bar_is_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress(4) as progress:
        progress.dealt_with([Line(1, b"1\n"), Line(2, b"2\n")], 2)
    assert capsys.readouterr().err == ""


def test_the_place_to_go_on_from_is_the_last_line_that_was_dealt_with() -> None:
    progress = Progress(None)
    assert progress.place() == "nothing was confirmed before that"
    progress.dealt_with([Line(1, b"1\n"), Line(3, b"2\n")], 2)
    progress.dealt_with([Line(4, b"x\n"), Line(1500, b"3\n")], 1498)
    assert progress.place() == "1,500 confirmed before that, up to line 1500"
