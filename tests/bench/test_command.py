"""`python -m bench`, as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.benchmarks import ALL
from tests.bench.processes import running_in
from tests.waiting import wait_until

ROOT = Path(__file__).parents[2]


def bench(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, "COLUMNS": "160"}, capture_output=True, text=True, check=False
    )


def test_a_run_prints_its_table_and_writes_its_file(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    done = bench("hops-embedded", "--messages", "100", "--repeat", "2", "--only", "runner, 1 process", "--output", file)
    assert done.returncode == 0, done.stderr
    assert "hops-embedded 2/2  runner, 1 process: " in done.stderr
    assert "Not in these figures: the work of a real handler" in done.stdout
    assert f"Written: {file}\n" in done.stdout
    found = json.loads(file.read_text())["hops-embedded"]
    assert [(one["name"], one["messages"], len(one["rate"]["runs"])) for one in found["contenders"]] == [
        ("runner, 1 process", 100, 2)
    ]
    assert {"processor", "cores", "fdatasync_per_second", "packages"} <= set(found["machine"])


NEEDS_SETPRIV = pytest.mark.skipif(not shutil.which("setpriv"), reason="no setpriv here (util-linux)")


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGKILL, marks=NEEDS_SETPRIV)])
def test_nothing_is_left_running_by_a_run_that_is_broken_off(tmp_path: Path, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "bench", "idle", "--only", "runner, embedded broker", "--messages", "600"]
    with subprocess.Popen(
        [*command, "--output", str(tmp_path / "results.json")], cwd=ROOT, env={**os.environ, "TMPDIR": str(tmp_path)}
    ) as process:
        wait_until(lambda: len(running_in(tmp_path)) > 1)
        process.send_signal(number)
    wait_until(lambda: not running_in(tmp_path))


def test_the_list_names_every_benchmark_and_contender() -> None:
    listed = bench("--list").stdout
    for benchmark in ALL:
        assert f"{benchmark.name}: {benchmark.job}" in listed
        assert all(f"    {contender.name}" in listed for contender in benchmark.contenders)


def test_a_benchmark_that_does_not_exist_is_reported() -> None:
    done = bench("hop")
    assert (done.returncode, "there is no benchmark 'hop'; there are hops-rabbitmq, " in done.stderr) == (2, True)


def test_a_contender_that_does_not_exist_is_reported() -> None:
    done = bench("mail", "--only", "sendmail")
    assert done.returncode == 2
    assert "there is no contender 'sendmail'; there are: Mail.connect, kept; Mail.send in a loop; runner" in done.stderr
