"""What a worker tells those who tap its stages, and that it does nothing for nobody."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from runner.events import Events, Failure
from runner.message import Delivery, Destination, Outgoing, Session
from runner.validation.schema import Schema
from runner.worker import tapping
from runner.worker.tapping import MOST_A_SECOND, MOST_TAPS, Taps, question
from tests.waiting import wait_until

SCHEMA = {"properties": {"card": {"type": "string", "x-sensitive": {"show": "last4"}}}}
FAILURE = Failure("no answer", 1, 5, seconds=0.5)


class Listener:
    """Somebody who taps."""

    def __init__(self) -> None:
        self.answers: list[dict[str, Any]] = []

    def __call__(self, text: bytes) -> None:
        self.answers.append(json.loads(text))

    @property
    def messages(self) -> list[dict[str, Any]]:
        return [message for answer in self.answers for message in answer["messages"]]

    @property
    def left_out(self) -> int:
        return sum(answer["left_out"] for answer in self.answers)


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def taps(events: Events) -> Taps:
    return Taps("worker-1", {"one": Schema(SCHEMA), "two": None}, events)


def delivery(name: str = "m1", body: bytes = b'{"card": "4111111111111111", "user": "a@example.com"}') -> Delivery:
    return Delivery("work", name, body, {}, 2, Session(), 1)


def observed(events: Events) -> bool:
    return events.handled is not None


def handled(events: Events, stage: str = "one", name: str = "m1") -> None:
    if events.handled is not None:
        events.handled(stage, delivery(name), [Outgoing(Destination("", "next"), name, b"{}")], 0.25)


def test_nothing_is_observed_until_somebody_taps_nor_after(
    taps: Taps, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tapping, "LEASE", 0.3)
    assert not observed(events)
    taps.asked(question("one"), "a", Listener())
    assert observed(events)
    wait_until(lambda: not observed(events))


def test_whoever_taps_is_told_what_became_of_each_message_masked(taps: Taps, events: Events) -> None:
    listener = Listener()
    taps.asked(question("one"), "a", listener)
    handled(events)
    events.retried("one", delivery(), FAILURE, 3.0)
    events.dead("one", delivery(), FAILURE)
    events.paused("one", "closed", 9.0)
    handled(events, "two")
    wait_until(lambda: len(listener.messages) == 4)
    first, retried, dead, paused = listener.messages
    assert {**first, "time": ""} == {
        "time": "",
        "stage": "one",
        "outcome": "handled",
        "id": "m1",
        "queue": "work",
        "attempt": 2,
        "seconds": 0.25,
        "to": ["next"],
        "body": '{"card":"····1111","user":"a•••@example.com"}',
    }
    assert (retried["outcome"], retried["error"], retried["delay"]) == ("retry", "no answer", 3.0)
    assert (dead["outcome"], dead["error"]) == ("dead", "no answer")
    assert (paused["outcome"], paused["error"], paused["delay"]) == ("paused", "closed", 9.0)
    assert listener.answers[0]["worker"] == "worker-1"


def test_only_the_outcomes_that_are_asked_for_are_told(taps: Taps, events: Events) -> None:
    listener = Listener()
    taps.asked(question("one", ["dead"]), "a", listener)
    handled(events)
    events.dead("one", delivery("m2"), FAILURE)
    wait_until(lambda: listener.messages)
    assert [message["id"] for message in listener.messages] == ["m2"]
    assert listener.left_out == 0


def test_what_is_too_much_is_left_out_and_counted(taps: Taps, events: Events) -> None:
    listener = Listener()
    taps.asked(question("one"), "a", listener)
    for number in range(10 * MOST_A_SECOND):
        handled(events, name=f"m{number}")
    wait_until(lambda: len(listener.messages) + listener.left_out == 10 * MOST_A_SECOND)
    assert MOST_A_SECOND <= len(listener.messages) < 10 * MOST_A_SECOND


def test_a_large_body_is_cut_and_no_answer_is_too_large(taps: Taps, events: Events) -> None:
    sizes, body = list[int](), json.dumps({"é": "é" * 100_000}).encode()
    for number in range(40):
        taps.asked(question("two"), "a", lambda text: sizes.append(len(text)))  # a busy machine takes a while for each
        assert events.handled is not None
        events.handled("two", delivery(f"m{number}", body), [], 0.1)
    wait_until(lambda: sum(sizes) > 40 * tapping.LONGEST_BODY)
    assert max(sizes) <= 32_768


def test_each_tap_is_told_and_only_so_many_are_taken(taps: Taps, events: Events) -> None:
    listeners = [Listener() for _ in range(MOST_TAPS + 1)]
    for number, listener in enumerate(listeners):
        taps.asked(question("one"), str(number), listener)
    handled(events)
    wait_until(lambda: all(listener.messages for listener in listeners[:-1]))
    assert listeners[-1].messages == []


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"tap": 1}', b'{"tap": {"stage": "one"}}', question("other"), b"[" * 20_000]
)
def test_what_is_no_question_about_its_stages_is_not_answered(taps: Taps, events: Events, text: bytes) -> None:
    taps.asked(text, "a", Listener())
    assert events.handled is None


def test_a_listener_that_asks_again_keeps_its_place(
    taps: Taps, events: Events, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tapping, "LEASE", 1.0)
    listener, until = Listener(), time.monotonic() + 2.0

    def asked_long_enough() -> bool:
        taps.asked(question("one"), "a", listener)
        assert events.handled is not None
        return time.monotonic() > until

    wait_until(asked_long_enough)
    handled(events)
    wait_until(lambda: listener.messages)
