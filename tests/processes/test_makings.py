"""What of a pipeline's file each kind of child depends on."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.processes import makings
from runner.processes.parts import parts_of
from tests.pipelines import loaded

PIPELINE = """
    broker: BROKER
    http: {listen: "127.0.0.1:5000", routes: {POST /work: {publish: work}}}
    mailbox: {listen: "127.0.0.1:1025"}
    queues: {work: {schema: body.json}, other: {}}
    stages:
      one: {consume: work, handler: "tests.config.handlers:take", concurrency: 1}
      two: {consume: other, handler: "tests.config.handlers:take"}
"""


def made_of(folder: Path, text: str, schema: str = "{}", *only: str) -> tuple[object, object]:
    (folder / "body.json").write_text(schema)
    pipeline = loaded(folder, text)
    parts = parts_of(pipeline.pipeline, only)
    return makings.of_intake(pipeline, parts), makings.of_worker(pipeline, parts, 1)


@pytest.mark.parametrize(
    ("old", "new", "intake", "worker"),
    [
        ("", "", False, False),
        ("concurrency: 1", "concurrency: 2", False, True),
        ("POST /work", "POST /more", True, False),
        ("127.0.0.1:1025", "127.0.0.1:1026", False, False),
        ("one:", "first:", True, True),
        ("other: {}", "other: {max_length: 10}", True, True),
    ],
)
def test_a_change_is_of_concern_to_those_that_depend_on_it(
    tmp_path: Path, old: str, new: str, intake: bool, worker: bool
) -> None:
    before, after = made_of(tmp_path, PIPELINE), made_of(tmp_path, PIPELINE.replace(old, new))
    assert (before[0] != after[0], before[1] != after[1]) == (intake, worker)


def test_a_changed_schema_concerns_whoever_checks_messages(tmp_path: Path) -> None:
    before, after = made_of(tmp_path, PIPELINE), made_of(tmp_path, PIPELINE, '{"type": "object"}')
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_stage_that_runs_elsewhere_is_of_no_concern(tmp_path: Path) -> None:
    before = made_of(tmp_path, PIPELINE, "{}", "two")
    after = made_of(tmp_path, PIPELINE.replace("concurrency: 1", "concurrency: 2"), "{}", "two")
    assert before[1] == after[1]


def test_the_console_goes_on_only_where_nothing_has_changed(tmp_path: Path) -> None:
    def console(text: str) -> object:
        (tmp_path / "body.json").write_text("{}")
        pipeline = loaded(tmp_path, text)
        return makings.of_all(pipeline, parts_of(pipeline.pipeline), 1)

    assert console(PIPELINE) == console(PIPELINE)
    assert console(PIPELINE) != console(PIPELINE.replace("127.0.0.1:1025", "127.0.0.1:1026"))
