"""Which observers always watch, and which may be added."""

from __future__ import annotations

import logging

import pytest

from runner.events import Events, Observer
from runner.observability.observers import attach


class Watching(Observer):
    """Notes what is resumed."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def resumed(self, stage: str) -> None:
        self.stages.append(stage)


def test_the_log_watches_nothing_that_happens_to_every_message() -> None:
    often = [name for name, tell in vars(Events()).items() if tell is None]
    assert often
    assert [name for name in often if getattr(attach(), name) is not None] == []


def test_whoever_debugs_is_told_of_each_success(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "runner")
    events = attach()
    assert events.handled is not None
    assert events.accepted is not None
    assert events.taken is None


def test_others_watch_beside_the_log() -> None:
    watching = Watching()
    attach([watching]).resumed("mail")
    assert watching.stages == ["mail"]
