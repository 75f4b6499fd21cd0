"""`runner run` refuses what it can't start; what it starts is in tests/system."""

from __future__ import annotations

from pathlib import Path

from tests.commands.prompt import run


def test_a_part_that_is_not_there_ends_with_2_and_the_nearest_name(file: Path) -> None:
    result = run("run", file, "--only", "tak")
    assert result.exit_code == 2
    assert "did you mean 'take'?" in result.stderr
