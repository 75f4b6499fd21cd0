"""The child that handles messages; what a worker does is in tests/worker, how it dies in tests/system."""

from __future__ import annotations

from pathlib import Path

from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until

ONE_TRY = PIPELINE.replace("attempts: 3", "attempts: 1").replace("concurrency: 2", "timeout: 200ms")


def test_a_worker_whose_handler_hangs_makes_way_for_a_fresh_one(tmp_path: Path) -> None:
    program = Program(tmp_path, f"embedded:{tmp_path / 'broker.db'}", ONE_TRY)
    program.start()
    try:
        program.post({"n": 1, "do": {"one": "sleep 3600"}})
        wait_until(lambda: "worker has made way for a fresh one" in program.log)
        assert "worker is replaced, for it can't get rid of a handler that hangs" in program.log
        program.post({"n": 2})
        program.wait_done([2])
        assert len(program.worker_pids()) == 2
        program.wait_settled(1)
    finally:
        assert program.stop() == 0
