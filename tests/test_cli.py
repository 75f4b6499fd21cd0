"""The command line as a whole: which commands there are, and how a fault ends one."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli import COMMANDS
from tests.commands.prompt import lines, run

INTERRUPTED = """
import signal, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == sys.argv[1]:
            signal.raise_signal(signal.SIGINT)

sys.meta_path.insert(0, Interrupt())
from runner.__main__ import main
sys.argv[:2] = ["runner"]
main()
"""


@pytest.mark.parametrize(
    "module", ["runner.cli", "click", "runner.errors", "runner.commands.status", "runner.brokers.base"]
)
@pytest.mark.parametrize("arguments", [["status"], ["--help"]])
def test_whoever_interrupts_a_command_at_once_gets_no_traceback(module: str, arguments: list[str]) -> None:
    program = INTERRUPTED.replace("sys.argv[1]", repr(module))
    ended = subprocess.run([sys.executable, "-c", program, "", *arguments], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGINT, b"", b"")


def test_a_file_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    for command in ("check", "run", "show", "status"):
        result = run(command, tmp_path / "nope.yaml")
        assert result.exit_code == 1
        assert len(lines(result.stderr)) == 1
        assert "nope.yaml" in result.stderr


@pytest.mark.parametrize("arguments", [["nonsense"], ["check", "--nonsense"], ["run", "--processes", "0"], ["send"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_the_version_is_reported() -> None:
    assert run("--version").output.strip().count(".") == 2


def test_help_lists_every_command_in_the_order_of_its_use() -> None:
    listed = run("--help").output.partition("Commands:\n")[2]
    assert tuple(line.split()[0] for line in lines(listed)) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_says_what_it_does(command: str) -> None:
    result = run(command, "--help")
    assert (result.exit_code, result.output.startswith(f"Usage: main {command} ")) == (0, True)


def test_a_fault_that_is_not_the_files_is_one_line_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("queues: {}\n")
    result = run("new", tmp_path)
    assert (result.exit_code, result.stderr) == (
        1,
        f"runner: {tmp_path / 'pipeline.yaml'} already exists; name a new folder\n",
    )
