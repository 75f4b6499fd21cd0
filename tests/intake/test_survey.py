"""What is known about the broker's queues, and how often it is asked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping

import pytest

from runner.brokers.base import Broker, Depth
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerUnavailableError
from runner.intake import survey
from runner.intake.survey import Survey
from runner.topology import plan
from tests.waiting import TIMEOUT, wait_until


@pytest.fixture
def started(broker: Broker, pipeline: LoadedPipeline) -> Broker:
    broker.start(plan(pipeline.pipeline))
    return broker


def test_it_tells_what_the_broker_tells(started: Broker) -> None:
    asked = Survey(started, ["payments"])
    asked.refresh(TIMEOUT)
    assert (asked.depths, asked.trouble) == ({"payments": Depth()}, "")


def test_however_often_it_is_asked_the_broker_is_not(started: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    depths = started.depths

    def counted(queues: Iterable[str]) -> Mapping[str, Depth]:
        asked.append(queues)
        return depths(queues)

    monkeypatch.setattr(started, "depths", counted)
    monkeypatch.setattr(survey, "FRESH", 60.0)
    asker = Survey(started, ["payments"])
    for _ in range(50):
        asker.refresh(TIMEOUT)
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("error", "fault"),
    [
        (BrokerUnavailableError("no answer within 5 s"), "the broker doesn't answer: no answer within 5 s"),
        (KeyError("?"), "the broker's answer can't be read"),
    ],
)
def test_a_question_that_fails_is_reported_and_the_next_one_is_asked(
    started: Broker, monkeypatch: pytest.MonkeyPatch, error: Exception, fault: str
) -> None:
    asker = Survey(started, ["payments"])
    monkeypatch.setattr(survey, "FRESH", 0.0)
    with monkeypatch.context() as failing:
        failing.setattr(started, "depths", _raising(error))
        asker.refresh(TIMEOUT)
        assert asker.trouble == fault
    wait_until(lambda: asker.trouble == "")


def _raising(error: Exception) -> Callable[[object], None]:
    def ask(_queues: object) -> None:
        raise error

    return ask


@pytest.fixture
def silent(started: Broker, monkeypatch: pytest.MonkeyPatch) -> Iterator[Broker]:
    """Answers when the test has ended."""
    speaks = threading.Event()
    monkeypatch.setattr(started, "depths", lambda _: speaks.wait() and {})
    yield started
    speaks.set()


def test_a_broker_that_is_silent_for_long_is_reported(silent: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "SILENCE", 3600.0)
    asker = Survey(silent, ["payments"])
    asker.refresh()
    assert asker.trouble == ""
    monkeypatch.setattr(survey, "SILENCE", 0.1)
    wait_until(lambda: asker.trouble.startswith("the broker has not answered for"))
