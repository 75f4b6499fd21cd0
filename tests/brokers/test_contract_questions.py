"""The contract, continued: what one process asks all that consume, on both brokers."""

from __future__ import annotations

import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

import pytest

from runner.brokers.base import Broker
from tests.brokers.conftest import Opener
from tests.brokers.plans import WORK, consume
from tests.waiting import TIMEOUT, wait_until


class Echo:
    """A listener that says who it is, and what it was asked."""

    def __init__(self, name: str) -> None:
        self.name = name.encode()
        self.askers: list[str] = []

    def __call__(self, question: bytes, asker: str, answer: Callable[[bytes], None]) -> None:
        self.askers.append(asker)
        answer(self.name + b": " + question)
        answer(self.name + b" again")


def listening(broker: Broker, name: str) -> Echo:
    echo = Echo(name)
    consume(broker, WORK)
    broker.listen(echo)
    return echo


def heard(answers: SimpleQueue[bytes], wanted: set[bytes]) -> None:
    """Returns when all of `wanted` have come."""
    left, deadline = set(wanted), time.monotonic() + TIMEOUT
    while left:
        left.discard(answers.get(timeout=max(0.0, deadline - time.monotonic())))


def test_every_listener_hears_a_question_and_may_answer_it_often(open_broker: Opener) -> None:
    for name in ("a", "b"):
        listening(open_broker(name=name), name)
    answers: SimpleQueue[bytes] = SimpleQueue()
    stop = open_broker(name="asker").poll(b"who?", answers.put)
    heard(answers, {b"a: who?", b"b: who?", b"a again", b"b again"})
    stop()


def test_it_is_asked_again_so_that_one_who_comes_later_hears_it(open_broker: Opener) -> None:
    answers: SimpleQueue[bytes] = SimpleQueue()
    stop = open_broker(name="asker").poll(b"who?", answers.put)
    echo = listening(open_broker(name="late"), "late")
    heard(answers, {b"late: who?"})
    wait_until(lambda: len(echo.askers) >= 3)
    assert len(set(echo.askers)) == 1
    stop()


def test_two_that_ask_are_told_apart_and_each_hears_its_own_answers(open_broker: Opener) -> None:
    echo = listening(open_broker(name="a"), "a")
    first: SimpleQueue[bytes] = SimpleQueue()
    second: SimpleQueue[bytes] = SimpleQueue()
    asker = open_broker(name="asker")
    stops = [asker.poll(b"1", first.put), asker.poll(b"2", second.put)]
    heard(first, {b"a: 1"})
    heard(second, {b"a: 2"})
    assert len(set(echo.askers)) == 2
    for stop in stops:
        stop()


def test_nobody_is_asked_any_more_when_it_is_stopped(open_broker: Opener) -> None:
    echo = listening(open_broker(name="a"), "a")
    stop = open_broker(name="asker").poll(b"who?", lambda _answer: None)
    wait_until(lambda: echo.askers)
    stop()
    [first] = set(echo.askers)
    asked = echo.askers.count(first)
    stop = open_broker(name="next").poll(b"who?", lambda _answer: None)
    wait_until(lambda: len(echo.askers) >= asked + 4)
    assert echo.askers.count(first) <= asked + 1  # one was on its way
    stop()


def test_an_answer_to_one_who_has_gone_is_dropped(open_broker: Opener) -> None:
    answers: list[Callable[[bytes], None]] = []
    broker = open_broker(name="a")
    consume(broker, WORK)
    broker.listen(lambda _question, _asker, answer: answers.append(answer))
    asker = open_broker(name="asker")
    stop = asker.poll(b"who?", lambda _answer: None)
    wait_until(lambda: answers)
    stop()
    asker.close()
    answers[0](b"too late")
    told: SimpleQueue[bytes] = SimpleQueue()
    stop = open_broker(name="next").poll(b"who?", told.put)
    wait_until(lambda: len(answers) > 1)
    answers[-1](b"in time")
    assert told.get(timeout=TIMEOUT) == b"in time"
    with pytest.raises(Empty):
        told.get_nowait()
    stop()
