"""`runner run`: what it refuses to start, and what it says of what it has started; the rest is in tests/system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.commands.prompt import run
from tests.pipelines import write
from tests.waiting import TIMEOUT, wait_until

PIPELINE = """
    http:
      listen: 127.0.0.1:0
      routes: {POST /pay: {publish: payments}}
    queues: {payments: {schema: payment.json}}
    stages: {take: {consume: payments, handler: "changing:Changing"}}
"""
CHANGING = """
from pathlib import Path

class Changing:
    def __enter__(self):
        Path("pipeline.yaml").unlink()
        Path("payment.json").write_text("{")

    def __exit__(self, *_): ...

    def __call__(self, message): ...
"""
"""Changes the files when the pipeline is loaded, and not yet up."""


def test_a_part_that_is_not_there_ends_with_2_and_the_nearest_name(file: Path) -> None:
    result = run("run", file, "--only", "tak")
    assert result.exit_code == 2
    assert "did you mean 'take'?" in result.stderr


def test_the_banner_shows_what_was_loaded_even_if_its_files_have_changed(tmp_path: Path) -> None:
    write(tmp_path, PIPELINE, {"payment.json": {"type": "object", "examples": [{"n": 1}]}})
    (tmp_path / "changing.py").write_text(CHANGING)
    log = tmp_path / "log"
    with log.open("wb") as errors:
        program = subprocess.Popen([sys.executable, "-m", "runner", "run"], cwd=tmp_path, stderr=errors)
    try:
        wait_until(lambda: "  stop " in log.read_text() or program.poll() is not None)
        assert "-d '{\"n\":1}'" in log.read_text()
        assert "http://localhost:0" not in log.read_text()
    finally:
        program.terminate()
        program.wait(TIMEOUT)
    assert program.returncode == 0
