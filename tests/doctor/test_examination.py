"""All examinations at once, whatever becomes of one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.config.loader import LoadedPipeline
from runner.doctor.examination import EXAMINATIONS, examined
from runner.findings import Finding
from tests.pipelines import loaded

PIPELINE = "name: t\nbroker: BROKER\nqueues: {a: {}}\nstages: {}\n"


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE)


def fine(_loaded: LoadedPipeline) -> Iterator[Finding]:
    yield Finding("ok", "fine", "it is")


def test_one_that_hangs_and_one_that_fails_hold_up_nobody(pipeline: LoadedPipeline) -> None:
    over = threading.Event()

    def hangs(_loaded: LoadedPipeline) -> Iterator[Finding]:
        yield Finding("ok", "hangs", "so far")
        over.wait(60)

    def fails(_loaded: LoadedPipeline) -> Iterator[Finding]:
        yield from ()
        raise RuntimeError("broken")

    found = list(examined(pipeline, {"hangs": hangs, "fails": fails, "fine": fine}, timeout=3))
    over.set()
    assert found == [
        Finding("ok", "hangs", "so far"),
        Finding("fault", "hangs", "has not answered within 3 s", "see whether it hangs"),
        Finding("fault", "fails", "RuntimeError: broken"),
        Finding("ok", "fine", "it is"),
    ]


def test_no_finding_shows_a_password_or_a_card_number(pipeline: LoadedPipeline) -> None:
    def tells(_loaded: LoadedPipeline) -> Iterator[Finding]:
        yield Finding("fault", "x", "amqp://me:secret@host took\n4111 1111 1111 1111")

    [found] = examined(pipeline, {"x": tells})
    assert "secret" not in found.text
    assert "1111 1111" not in found.text
    assert "\n" not in found.text


def test_a_pipeline_that_has_not_run_yet_is_well(pipeline: LoadedPipeline) -> None:
    assert {found.level for found in examined(pipeline)} == {"ok"}
    assert set(EXAMINATIONS) >= {"broker", "queues", "ledger", "keys"}
