"""`runner run`: what it refuses to start, and what it says of what it has started; the rest is in tests/system."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def logged(*arguments: object) -> list[Any]:
    """What a run that can't start logs as JSON."""
    command = [sys.executable, "-m", "runner", "run", *map(str, arguments), "--log-format", "json"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (1, "")
    return [json.loads(line) for line in ended.stderr.splitlines()]


def test_as_json_each_problem_of_the_file_is_a_line_with_its_place(file: Path) -> None:
    file.write_text(file.read_text().replace("publish: payments", "publish: paymets"))
    problem, *_ = logged(file)
    assert (problem["level"], problem["part"], problem["logger"]) == ("error", "runner", "runner.config")
    assert (problem["file"], problem["line"], problem["column"]) == (str(file), 7, 26)
    assert problem["key"].startswith("http.routes.POST /pay.publish")
    assert problem["message"].endswith("(did you mean 'payments'?)")


def test_as_json_what_keeps_a_run_from_starting_is_a_line_too(file: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        file.write_text(re.sub(r"listen: 127\.0\.0\.1:0", f"listen: 127.0.0.1:{port}", file.read_text(), count=1))
        *_, last = logged(file)
    assert last["level"] == "error"
    assert "address already in use" in last["message"]


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
