"""What takes longer than a request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from runner.brokers.base import Shelf, Shelved
from runner.console.jobs import MOST_REASONS, Jobs, Letters, Look, plan_of
from runner.deadletters import DeadLetter, read
from runner.errors import RunnerError
from tests.waiting import wait_until

ON: Any = None
"""No shelf: the deeds here need none."""


def letters(count: int) -> Look:
    def look(goes_on: Callable[[], bool]) -> Letters:
        for number in range(count):
            if not goes_on():
                return
            yield ON, read("orders", Shelved(f"m{number}", b"{}", {}, 0))

    return look


def odd_stay(_on: Shelf, letter: DeadLetter) -> str:
    return "it is odd" if int(letter.id[1:]) % 2 else ""


def test_a_job_says_how_many_were_dealt_with_and_why_others_stay() -> None:
    job = Jobs().begin("replay", letters(100), odd_stay)
    assert job is not None
    assert job.over.wait(30)
    assert (job.done, job.stay, len(job.reasons)) == (50, 50, MOST_REASONS)
    assert job.reasons[0] == ("m1", "it is odd")


def test_one_job_runs_at_a_time_and_can_be_stopped() -> None:
    jobs, go = Jobs(), threading.Event()

    def wait(_on: Shelf, _letter: DeadLetter) -> str:
        go.wait(30)
        return ""

    job = jobs.begin("drop", letters(10), wait)
    assert job is not None
    assert jobs.begin("replay", letters(1), odd_stay) is None
    assert jobs.get(job.number) is job
    job.stopped = True
    go.set()
    assert job.over.wait(30)
    assert job.done == 1
    assert jobs.begin("replay", letters(1), odd_stay) is not None


def test_what_ends_a_job_too_early_is_told() -> None:
    def fail(_on: Shelf, _letter: DeadLetter) -> str:
        raise RunnerError("the broker is away")

    def crash(_on: Shelf, _letter: DeadLetter) -> str:
        raise ZeroDivisionError

    jobs = Jobs()
    for deed, error in ((fail, "the broker is away"), (crash, "ZeroDivisionError: ")):
        job = jobs.begin("replay", letters(1), deed)
        assert job is not None
        wait_until(job.over.is_set)
        assert job.error == error


def test_a_plan_counts_as_far_as_there_is_time() -> None:
    whole = plan_of(letters(10), odd_stay, seconds=30)
    assert (whole.do, whole.stay, whole.partial) == (5, 5, False)
    assert plan_of(letters(10), odd_stay, seconds=-1).partial
    assert not plan_of(letters(0), odd_stay, seconds=-1).partial


def test_who_looks_no_further_lets_go_of_the_queue() -> None:
    """Else the next page finds it taken."""

    def fail(_on: Shelf, _letter: DeadLetter) -> str:
        raise RunnerError("the broker is away")

    let_go: list[str] = []

    def looked(who: str) -> Look:
        def look(goes_on: Callable[[], bool]) -> Letters:
            try:
                yield from letters(10)(goes_on)
            finally:
                let_go.append(who)

        return look

    plan_of(looked("plan"), odd_stay, seconds=-1)
    with suppress(RunnerError):
        plan_of(looked("broken plan"), fail, seconds=30)
    job = Jobs().begin("drop", looked("job"), fail)
    assert job is not None
    assert job.over.wait(30)
    assert let_go == ["plan", "broken plan", "job"]


def test_the_end_waits_for_what_is_in_hand_and_begins_nothing_more() -> None:
    jobs = Jobs()

    def wait(_on: Shelf, _letter: DeadLetter) -> str:
        wait_until(lambda: (job := jobs.get(1)) is not None and job.stopped)
        return ""

    job = jobs.begin("drop", letters(10), wait)
    assert job is not None
    jobs.end()
    assert (job.over.is_set(), job.done) == (True, 1)
