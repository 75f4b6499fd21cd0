"""The program that the tests of the supervisor and of a child start."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.processes.program import Program, Run


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Run]:
    started: list[Program] = []

    def run(children: str) -> Program:
        started.append(Program(children, tmp_path))
        return started[-1]

    yield run
    for one in started:
        one.process.kill()
        one.process.wait()
        assert one.process.stderr is not None
        one.process.stderr.close()
