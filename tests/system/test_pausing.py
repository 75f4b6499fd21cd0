"""A stage that an operator has paused, in whole programs: for all its workers, and over restarts."""

from __future__ import annotations

from runner.audit import Trail, read_trail
from runner.config.loader import load
from runner.ledger.ledger import Ledger
from runner.pausing import pause, resume
from tests.system.conftest import Start
from tests.system.program import PIPELINE
from tests.waiting import wait_until

WITH_LEDGER = PIPELINE + 'ledger: sqlite:ledger.db\nconsole: {listen: "127.0.0.1:0"}\n'


def test_a_paused_stage_stays_so_over_a_restart_until_it_is_resumed(prepare: Start) -> None:
    program = prepare(WITH_LEDGER)
    program.start("--processes", "2")
    loaded = load(program.folder / "pipeline.yaml").pipeline
    assert loaded.ledger is not None
    ledger = Ledger(loaded.ledger).open(timeout=30.0)
    stage = loaded.stages["two"]
    assert pause(ledger, Trail(program.folder, "pause", "a test", by="ada"), stage, "a test", "ada")
    wait_until(lambda: program.depths()["second"].paused == 2)
    assert program.depths()["second"].why == "ada has paused it: a test"

    program.post({"n": 1})
    wait_until(lambda: program.depths()["second"].ready == 1)
    program.stop()
    program.start("--processes", "2")
    wait_until(lambda: program.depths()["second"].paused == 2)
    program.post({"n": 2})
    wait_until(lambda: program.depths()["second"].ready == 2)
    assert program.done() == set()

    assert resume(ledger, Trail(program.folder, "resume", "", by="ada"), stage)
    program.wait_done([1, 2])
    assert [(deed["deed"], deed["stage"]) for deed in read_trail(program.folder, 9)] == [
        ("resume", "two"),
        ("pause", "two"),
    ]
    ledger.close()
