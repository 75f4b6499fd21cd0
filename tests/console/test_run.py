"""What the console shows."""

from __future__ import annotations

from pathlib import Path

from runner.brokers.registry import connect
from runner.console.run import Run
from tests.console.conftest import PIPELINE
from tests.pipelines import loaded


def test_it_is_the_run_of_a_pipeline(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, PIPELINE)
    assert pipeline.pipeline.console is not None
    run = Run(pipeline, pipeline.pipeline.console, connect(pipeline.pipeline, "console"))
    assert run.pipeline.name == "shop"
