"""What the kernel says of the clock, and how it is told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from runner.doctor import clock as module
from runner.doctor.clock import UNSYNCHRONIZED, clock, kernels_status
from tests.pipelines import loaded

PIPELINE = """
broker: BROKER
queues: {a: {external: true}}
stages: {}
"""


@pytest.mark.parametrize(
    ("status", "production", "levels"),
    [
        (0x2001, True, ["ok"]),
        (UNSYNCHRONIZED, False, ["ok"]),
        (UNSYNCHRONIZED | 1, True, ["warning"]),
        (None, True, []),
    ],
)
def test_a_clock_that_nothing_keeps_is_worth_a_warning_in_production_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int | None, production: bool, levels: list[str]
) -> None:
    monkeypatch.setattr(module, "kernels_status", lambda: status)
    found = list(clock(loaded(tmp_path, PIPELINE + f"production: {str(production).lower()}\n")))
    assert [one.level for one in found] == levels
    assert all(("nothing synchronizes it" in one.text) == bool((status or 0) & UNSYNCHRONIZED) for one in found)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")
def test_the_kernel_answers_or_may_not_be_asked() -> None:
    status = kernels_status()
    assert status is None or 0 <= status < 1 << 16
