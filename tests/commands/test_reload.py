"""`runner reload` where nothing runs; with runs it is in tests/system/test_reload.py."""

from __future__ import annotations

import signal
from pathlib import Path

from click.testing import CliRunner

from runner.commands.reload import reload
from runner.errors import RunnerError
from runner.processes.runs import RunFile


def test_without_a_run_it_says_what_to_start(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(reload, [str(tmp_path / "pipeline.yaml")])
    assert isinstance(outcome.exception, RunnerError)
    assert str(outcome.exception).endswith(f"start it: runner run {tmp_path / 'pipeline.yaml'}")


def test_a_run_that_is_not_done_in_time_is_named(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    file = RunFile(tmp_path / "pipeline.yaml")
    try:
        outcome = CliRunner().invoke(reload, [str(tmp_path / "pipeline.yaml"), "--timeout", "0.1"])
    finally:
        file.close()
        signal.signal(signal.SIGHUP, before)
    assert outcome.exit_code == 1
    assert "has not finished yet; its log will tell the result" in outcome.output
