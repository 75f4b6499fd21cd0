"""What a child is observed with, where somebody wants it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner import timing
from runner.brokers.registry import connect
from runner.processes.child import Board, Supervision
from runner.processes.instruments import Instruments
from runner.processes.pipes import Inlet, pipe
from tests.pipelines import loaded

TEXT = "queues: {a: {}}\nbroker: BROKER\n"


def test_where_nobody_looks_nothing_is_observed_and_nothing_is_told(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, TEXT).pipeline
    instruments, (read, write) = Instruments(pipeline, "worker", stages=["one"]), pipe()
    assert instruments.observers == []
    instruments.begin(Supervision(write, -1, Board([])), connect(pipeline, "test"))
    instruments.end()
    assert Inlet(read).lines() == []
    os.close(write)


def test_the_last_counts_are_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "WATCHERS", watchers := list(timing.WATCHERS))
    monkeypatch.setattr("runner.processes.instruments.WATCHERS", watchers)
    pipeline = loaded(tmp_path, TEXT + "console: {}\n").pipeline
    instruments, (read, write) = Instruments(pipeline, "worker", stages=["one"]), pipe()
    [counts] = instruments.observers
    instruments.begin(Supervision(write, -1, Board([])), connect(pipeline, "test"))
    counts.connected("broker", again=True)
    instruments.end()
    assert b'"reconnects":1' in Inlet(read).lines()[-1]
    assert len(watchers) == 1, "handlers' own calls are counted"
    os.close(write)
