"""A result that comes on another thread."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.intake.promise import Promise

LATE = 30.0
"""Seconds."""


def test_who_waits_gets_what_another_thread_keeps() -> None:
    promise = Promise[str]()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(promise.result, LATE)
        promise.keep("it")
        assert waiting.result(LATE) == "it"


def test_what_it_failed_with_is_raised_where_it_is_waited_for() -> None:
    promise = Promise[str]()
    promise.fail(KeyError("why"))
    with pytest.raises(KeyError, match="why"):
        promise.result()


def test_nobody_waits_longer_than_he_said_and_it_may_be_kept_then() -> None:
    promise = Promise[str]()
    with pytest.raises(TimeoutError):
        promise.result(0.01)
    promise.keep("nobody waits for it")
    assert promise.result() == "nobody waits for it"


def test_whoever_asks_to_be_woken_is_whether_it_was_kept_before_or_is_after() -> None:
    for before in (True, False):
        promise, woken = Promise[None](), threading.Event()
        if before:
            promise.keep(None)
        promise.when_kept(woken.set)
        if not before:
            promise.keep(None)
        assert woken.is_set()
