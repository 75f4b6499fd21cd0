"""`runner tap` beside a run of two worker processes, on both brokers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from tests.system.conftest import Start
from tests.system.program import ROOT, Program
from tests.waiting import TIMEOUT, wait_until


def tap(program: Program, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "runner", "tap", "-p", str(program.folder / "pipeline.yaml"), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def test_messages_are_shown_as_they_pass_whichever_worker_has_them_until_there_were_enough(prepare: Start) -> None:
    program = prepare()
    program.start("--processes", "2")
    watching = tap(program, "one", "--format", "json", "--limit", "5")
    numbers = iter(range(10_000))

    def posted() -> bool:
        program.post({"n": next(numbers)})
        return watching.poll() is not None

    wait_until(posted)
    shown = [json.loads(line) for line in watching.communicate(timeout=TIMEOUT)[0].splitlines()]
    assert watching.returncode == 0
    assert [(one["stage"], one["outcome"], one["to"]) for one in shown] == [("one", "handled", ["second"])] * 5


def test_it_ends_with_ctrl_c_and_with_the_run(program: Program) -> None:
    watching = [tap(program, "one"), tap(program, "two", "--outcome", "dead")]
    for stage, one in zip(("one", "two"), watching, strict=True):
        assert one.stderr is not None
        assert one.stderr.readline() == f"watching {stage}; Ctrl-C ends it\n"
    watching[0].send_signal(signal.SIGINT)
    _, said = watching[0].communicate(timeout=TIMEOUT)
    assert (watching[0].returncode, "Traceback" in said) == (0, False)
    program.stop()
    shown, said = watching[1].communicate(timeout=TIMEOUT)
    assert (watching[1].returncode, shown) == (0, "")
    assert "no worker answers any more: the run has ended" in said


def test_a_pipeline_that_does_not_run_is_told(prepare: Start) -> None:
    program = prepare()
    program.start("--only", "one")
    watching = tap(program, "two")
    _, said = watching.communicate(timeout=TIMEOUT)
    assert watching.returncode == 1
    assert "no worker of two answers" in said
