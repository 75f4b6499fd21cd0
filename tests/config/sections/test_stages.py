"""Stages, and their defaults."""

from __future__ import annotations

import pytest

from tests.config.files import loaded

pytestmark = pytest.mark.usefixtures("any_schema")

TAKE = "tests.config.handlers:take"


def test_a_timeout_may_be_off_for_one_stage_or_for_all() -> None:
    stages = f"stages: {{s: {{consume: a, handler: '{TAKE}', timeout: 1s}}, t: {{consume: b, handler: '{TAKE}'}}}}\n"
    pipeline = loaded(f"defaults: {{timeout: off}}\nqueues: {{a: {{}}, b: {{}}}}\n{stages}").pipeline
    assert [stage.timeout for stage in pipeline.stages.values()] == [1.0, None]


@pytest.mark.parametrize(
    ("defaults", "of_stage", "taken"), [("", "", 2000), ("defaults: {prefetch: 7}", "", 7), ("", ", prefetch: 7", 7)]
)
def test_a_stage_that_runs_once_takes_more_in_advance_unless_it_is_told_how_many(
    defaults: str, of_stage: str, taken: int
) -> None:
    text = f"""
ledger: sqlite:ledger.db
{defaults}
queues: {{a: {{}}}}
stages: {{s: {{consume: a, handler: tests.config.handlers:take, once: true{of_stage}}}}}
"""
    assert loaded(text).pipeline.stages["s"].prefetch == taken
