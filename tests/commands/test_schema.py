"""`runner schema`: the schema of pipeline files, for other validators."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from runner.cli import main

ROOT = Path(__file__).parents[2]


def test_it_prints_the_schema_as_it_is_shipped() -> None:
    result = CliRunner().invoke(main, ["schema"])
    assert result.exit_code == 0
    assert result.stdout_bytes == (ROOT / "runner/pipeline.schema.json").read_bytes()
