"""A recorded fact on the command line."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from runner.commands.recorded import fact_of
from runner.errors import RunnerError
from tests.pipelines import loaded

PIPELINE = """
    broker: BROKER
    ledger: sqlite:ledger.db
    queues: {orders: {}}
    stages: {take: {consume: orders, handler: "tests.commands.prompt:take", record: {order: taken}}}
"""


def test_a_value_is_json_or_else_text(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, PIPELINE, {}).pipeline
    assert fact_of(pipeline, "order=taken") == ("order", "taken")
    assert fact_of(pipeline, "order=17") == ("order", 17)
    assert fact_of(pipeline, "order=a=b") == ("order", "a=b")


def test_what_no_stage_records_is_named_with_what_they_do(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, PIPELINE, {}).pipeline
    with pytest.raises(RunnerError, match="records payment; recorded are order"):
        fact_of(pipeline, "payment=declined")
    with pytest.raises(click.BadParameter, match="no '='"):
        fact_of(pipeline, "order")
