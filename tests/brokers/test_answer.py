"""What one thread answers and another waits for."""

from __future__ import annotations

import threading

import pytest

from runner.brokers.answer import Answer


def test_a_waiting_caller_wakes_when_the_answer_comes() -> None:
    answer, told = Answer(), []
    waiting = threading.Thread(target=lambda: told.append(answer.wait(30)))
    waiting.start()
    answer.give()
    waiting.join(30)
    assert told == [True]
    assert answer.given


def test_an_error_is_raised_where_it_is_waited_for() -> None:
    answer = Answer()
    answer.give(ZeroDivisionError("no"))
    with pytest.raises(ZeroDivisionError, match="no"):
        answer.wait(0)


def test_no_caller_waits_longer_than_it_said() -> None:
    assert not Answer().wait(0)
