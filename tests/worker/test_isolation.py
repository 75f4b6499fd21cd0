"""A handler that is alone in its process."""

from __future__ import annotations

import threading

import pytest

from runner.message import NO_HEADERS, Delivery, Session
from runner.worker import isolation
from runner.worker.isolation import Isolation
from tests.waiting import wait_until


def delivery(id: str) -> Delivery:
    return Delivery("work", id, b"{}", NO_HEADERS, 1, Session(), 1)


def test_it_begins_when_the_others_have_ended_and_they_wait_for_its_end() -> None:
    alone, other = Isolation(), delivery("other")
    running = alone.join()
    running[other] = 0
    began, over = threading.Event(), threading.Event()

    def be_alone() -> None:
        with alone.alone():
            began.set()
            over.wait(10)

    first = threading.Thread(target=be_alone)
    first.start()
    wait_until(lambda: alone.closed)
    assert not began.is_set()
    second = threading.Thread(target=alone.wait, args=[running, other, 0])
    second.start()
    assert began.wait(10), "nobody is at work any more"
    assert other not in running
    over.set()
    second.join(10)
    assert running == {other: 0}
    first.join(10)
    assert not alone.closed


def test_one_that_hangs_holds_up_nobody_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isolation, "PATIENCE", 0.05)
    alone, hung = Isolation(), delivery("hung")
    running = alone.join()
    running[hung] = 0
    other = delivery("other")
    with alone.alone(), alone.alone():  # the first is given up by the second, and both by the others
        running[other] = 1
        alone.wait(running, other, 1)
    assert running == {hung: 0, other: 1}
