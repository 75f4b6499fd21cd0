"""How a command gets its pipeline, and what it prints about the file on the way."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from runner.commands.loading import load_and_warn, print_problems
from runner.errors import ConfigError, Problem

PROBLEMS = [Problem("p.yaml", 3, 7, "no queue"), Problem("p.yaml", 4, 1, "no schema", "warning")]


def test_each_problem_is_a_line_with_its_place(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems(PROBLEMS)
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "p.yaml:3:7: no queue\np.yaml:4:1: warning: no schema\n")


def test_in_a_terminal_the_place_is_red_and_that_of_a_warning_yellow() -> None:
    shown = CliRunner().invoke(click.command()(lambda: print_problems(PROBLEMS)), color=True).stderr
    assert shown == "\x1b[31mp.yaml:3:7: \x1b[0mno queue\n\x1b[33mp.yaml:4:1: warning: \x1b[0mno schema\n"


def test_warnings_are_printed_and_the_pipeline_is_ready(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text(file.read_text().replace("{schema: payment.json, max_length: 3}", "{}"))
    assert load_and_warn(file).pipeline.name == "test"
    [warning] = capsys.readouterr().err.splitlines()
    assert "warning: route POST /pay publishes to 'payments', which has no schema" in warning


def test_a_file_that_cannot_be_run_is_left_to_the_caller(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file.write_text("queues: 5")
    with pytest.raises(ConfigError):
        load_and_warn(file)
    assert capsys.readouterr().err == ""
