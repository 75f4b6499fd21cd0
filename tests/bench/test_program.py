"""A benchmark's programs: they end with it, and it notices when one ends by itself."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench.failure import ContenderError
from bench.program import Program, finish
from tests.waiting import wait_until

CHILDREN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], process_group=0)
print(child.pid, flush=True)
"""


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_whatever_a_program_has_started_ends_with_it(tmp_path: Path) -> None:
    with Program(python(CHILDREN + "sys.exit()"), tmp_path) as program:
        wait_until(lambda: program.output.endswith("\n"))
        child = int(program.output)
        assert alive(child)
    wait_until(lambda: not alive(child))


def test_a_program_that_ends_by_itself_is_reported_with_its_last_words(tmp_path: Path) -> None:
    with (
        Program(python("raise SystemExit('no more')"), tmp_path) as program,
        pytest.raises(ContenderError, match="ended with status 1: no more"),
    ):
        program.wait_until(lambda: False, "the end of time")


def test_waiting_is_given_up(tmp_path: Path) -> None:
    with (
        Program(python("import time; time.sleep(600)"), tmp_path) as program,
        pytest.raises(ContenderError, match=r"an answer: not within 0\.05 s; it said nothing"),
    ):
        program.wait_until(lambda: False, "an answer", timeout=0.05)


def test_what_a_program_costs_is_read(tmp_path: Path) -> None:
    code = "held = bytearray(50_000_000)\nwhile True: pass"
    with Program(python(code), tmp_path) as program:
        wait_until(lambda: program.cpu() > 0.05)
        wait_until(lambda: program.memory()[0].pss > 50_000_000)
        (memory,) = program.memory()
        assert memory.rss >= memory.pss


def test_a_program_that_fails_at_its_end_is_reported(tmp_path: Path) -> None:
    assert finish(python("print('fine')"), tmp_path, timeout=30.0) == "fine\n"
    with pytest.raises(ContenderError, match="KeyError: 'no'"):
        finish(python("{}['no']"), tmp_path, timeout=30.0)
