"""How a command finds the runs of a pipeline."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from runner.processes import runs
from runner.processes.runs import RUNS, RunFile, runs_of

OTHER = """
import sys
from pathlib import Path
from runner.processes.runs import RunFile
file = RunFile(Path(sys.argv[1]))
print("there", flush=True)
sys.stdin.read()
"""


def test_a_run_is_found_as_long_as_it_lives_with_what_it_tells(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    file = RunFile(path)
    try:
        [run] = runs_of(path)
        assert (run.pid, run.file, run.reloads) == (os.getpid(), str(path), 0)
        file.tell("refused", "two lines\nof it")
        file.tell("reloaded", "all")
        assert list(runs_of(path)) == [run._replace(reloads=2, outcome="reloaded", words="all")]
        assert list(runs_of(tmp_path / "other.yaml")) == []
    finally:
        file.close()
    assert list(runs_of(path)) == []


def test_what_a_killed_run_has_left_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "pipeline.yaml"
    command = [sys.executable, "-c", OTHER, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert [run.pid for run in runs_of(path)] == [other.pid]
        other.kill()
    assert list(runs_of(path)) == []
    assert list((tmp_path / RUNS).iterdir()) == []


def test_a_folder_that_can_not_be_written_stops_no_run(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    file = RunFile(tmp_path / "pipeline.yaml")
    file.tell("reloaded", "all")
    file.close()
    assert list(runs_of(tmp_path / "pipeline.yaml")) == []


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}'])
def test_a_file_that_says_nothing_is_passed_over(tmp_path: Path, content: str) -> None:
    (tmp_path / RUNS).mkdir(parents=True)
    (tmp_path / RUNS / "123").write_text(content)
    assert list(runs_of(tmp_path / "pipeline.yaml")) == []


def test_a_run_elsewhere_that_has_the_same_folder_is_none_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In another container, its number is that of another process."""
    path = tmp_path / "pipeline.yaml"
    file = RunFile(path)
    monkeypatch.setattr(runs, "_here", lambda: "elsewhere")
    assert list(runs_of(path)) == []
    file.close()


def test_runs_of_two_containers_that_have_the_same_folder_and_number_are_both_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In most containers, a run is process 1."""
    path = tmp_path / "pipeline.yaml"
    files = []
    for place in ("one", "other"):
        monkeypatch.setattr(runs, "_here", lambda place=place: place)
        files.append(RunFile(path))
        assert [run.place for run in runs_of(path)] == [place]
    files[1].close()
    monkeypatch.setattr(runs, "_here", lambda: "one")
    assert [run.place for run in runs_of(path)] == ["one"]
    files[0].close()
