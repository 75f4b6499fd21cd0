"""What watches a child, where somebody wants it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner import timing
from runner.brokers.registry import connect
from runner.processes.child import Board, Supervision
from runner.processes.pipes import Inlet, pipe
from runner.processes.watching import Watching
from tests.pipelines import loaded

TEXT = "queues: {a: {}}\nbroker: BROKER\n"


def test_where_nobody_looks_nothing_watches_and_nothing_is_told(tmp_path: Path) -> None:
    pipeline = loaded(tmp_path, TEXT).pipeline
    watching, (read, write) = Watching(pipeline, "worker", stages=["one"]), pipe()
    assert watching.observers == []
    watching.begin(Supervision(write, -1, Board([])), connect(pipeline, "test"))
    watching.end()
    assert Inlet(read).lines() == []
    os.close(write)


def test_the_last_counts_are_told_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "WATCHERS", watchers := list(timing.WATCHERS))
    monkeypatch.setattr("runner.processes.watching.WATCHERS", watchers)
    pipeline = loaded(tmp_path, TEXT + "console: {}\n").pipeline
    watching, (read, write) = Watching(pipeline, "worker", stages=["one"]), pipe()
    [counts] = watching.observers
    watching.begin(Supervision(write, -1, Board([])), connect(pipeline, "test"))
    counts.connected("broker", again=True)
    watching.end()
    assert b'"reconnects":1' in Inlet(read).lines()[-1]
    assert len(watchers) == 1, "handlers' own calls are counted"
    os.close(write)
