"""What the errors say, and which orders a handler can't give."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from runner.errors import LONGEST_DELAY, ConfigError, Pause, Problem, PublishError, Reject, Retry, text
from runner.message import Destination, Outgoing


@pytest.mark.parametrize("delay", [-1.0, LONGEST_DELAY + 1, float("inf"), float("nan")])
@pytest.mark.parametrize("order", [Retry, Pause])
def test_an_order_asks_for_a_delay_that_can_be_kept(order: type[Retry] | type[Pause], delay: float) -> None:
    with pytest.raises(ValueError, match=r"delay is .*; it has to be between 0 and 3\.16224e\+07 seconds"):
        order("later", delay=delay)


@pytest.mark.parametrize("delay", ["soon", timedelta(seconds=5), [5]])
@pytest.mark.parametrize("order", [Retry, Pause])
def test_an_order_says_what_a_delay_is(order: type[Retry] | type[Pause], delay: Any) -> None:
    with pytest.raises(TypeError, match=r"delay is .*; it has to be a number of seconds, such as 90 or 0\.5"):
        order("later", delay=delay)


def test_a_retry_without_a_delay_leaves_the_wait_to_the_stage() -> None:
    assert (Retry("later").delay, Retry("later", delay=0).delay) == (None, 0)


def test_a_pause_is_never_shorter_than_a_tenth_of_a_second() -> None:
    assert (Pause("refused", delay=0).delay, Pause("refused").delay) == (0.1, 60.0)


class Unspeakable:
    def __str__(self) -> str:
        raise RuntimeError


def test_a_reason_is_text_whatever_was_given() -> None:
    assert Reject(ValueError("an object")).reason == "an object"  # type: ignore[arg-type]
    assert text(Unspeakable()) == "Unspeakable (which can't be shown: RuntimeError)"


PROBLEMS = [
    Problem("p.yaml", 10, 1, "late"),
    Problem("p.yaml", 9, 20, "there"),
    Problem("p.yaml", 9, 3, "doubtful", "warning"),
    Problem("p.yaml", 0, 0, "can't be read"),
]


def test_problems_are_reported_in_the_order_of_the_file_each_with_its_place() -> None:
    assert str(ConfigError(sorted(PROBLEMS))).splitlines() == [
        "p.yaml: can't be read",
        "p.yaml:9:3: warning: doubtful",
        "p.yaml:9:20: there",
        "p.yaml:10:1: late",
    ]


def test_what_a_broker_refused_is_reported_by_the_first_and_the_number_of_the_others() -> None:
    refused = [(Outgoing(Destination("", queue), "1", b"4111111111111111"), "the queue is full") for queue in "abc"]
    assert str(PublishError(refused)) == "a: the queue is full (and 2 more)"
    assert str(PublishError(refused[:1])) == "a: the queue is full"
