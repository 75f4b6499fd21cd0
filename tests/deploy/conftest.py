"""An intake that answers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.program import PIPELINE, Program


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Program]:
    program = Program(tmp_path, f"embedded:{tmp_path / 'broker.db'}", PIPELINE)
    program.start()
    yield program
    program.stop()
