"""A stage that an operator has paused, in whole programs: for all its workers, and over restarts."""

from __future__ import annotations

from runner.audit import read_trail, who
from tests.commands.prompt import run
from tests.system.conftest import Start
from tests.system.program import PIPELINE
from tests.waiting import wait_until

WITH_LEDGER = PIPELINE + 'ledger: sqlite:ledger.db\nconsole: {listen: "127.0.0.1:0"}\n'


def test_a_paused_stage_stays_so_over_a_restart_until_it_is_resumed(prepare: Start) -> None:
    program = prepare(WITH_LEDGER)
    program.start("--processes", "2")
    file = program.folder / "pipeline.yaml"
    assert run("pause", "-p", file, "two", "--reason", "a test").exit_code == 0
    wait_until(lambda: program.depths()["second"].paused == 2)
    assert program.depths()["second"].why == f"by {who()}: a test"

    program.post({"n": 1})
    wait_until(lambda: program.depths()["second"].ready == 1)
    program.stop()
    program.start("--processes", "2")
    wait_until(lambda: program.depths()["second"].paused == 2)
    program.post({"n": 2})
    wait_until(lambda: program.depths()["second"].ready == 2)
    assert program.done() == set()

    assert run("resume", "-p", file, "two").exit_code == 0
    program.wait_done([1, 2])
    assert [(deed["deed"], deed["stage"]) for deed in read_trail(program.folder, 9)] == [
        ("resume", "two"),
        ("pause", "two"),
    ]
