"""The child that takes requests; what becomes of a request is in tests/intake."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.system.program import PIPELINE, Program
from tests.waiting import TIMEOUT, wait_until


def test_an_intake_that_may_open_few_files_says_how_many_connections_it_serves(tmp_path: Path) -> None:
    program = Program(tmp_path, f"embedded:{tmp_path / 'broker.db'}", PIPELINE)
    command = ["sh", "-c", 'ulimit -n 1000 && exec "$0" -m runner run --only intake', sys.executable]
    with (tmp_path / "log").open("ab") as log:
        run = subprocess.Popen(command, cwd=tmp_path, env=program.environment(), stderr=log)
    try:
        wait_until(lambda: program.answers("/health/live") == 200 or run.poll() is not None)
        assert "and not 4096 (http: max_connections): the limit of open files is 1000" in program.log
    finally:
        run.send_signal(signal.SIGTERM)
        assert run.wait(TIMEOUT) == 0
