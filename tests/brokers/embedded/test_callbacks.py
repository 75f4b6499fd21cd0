"""Answers of the broker's thread arrive on the caller's event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest

from runner.brokers.embedded.callbacks import LoopCallbacks
from runner.errors import BrokerAwayError, BrokerError


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def on_another_thread(tell: Callable[[], None]) -> None:
    thread = threading.Thread(target=tell)
    thread.start()
    thread.join()


def run_what_is_due(loop: asyncio.AbstractEventLoop) -> None:
    loop.call_soon(loop.stop)
    loop.run_forever()


def test_an_answer_arrives_on_the_loops_thread_as_it_was_given(loop: asyncio.AbstractEventLoop) -> None:
    callbacks, told = LoopCallbacks(loop), list[tuple[int, BrokerError | None]]()
    away = BrokerAwayError("the broker is away")

    def done(error: BrokerError | None) -> None:
        told.append((threading.get_ident(), error))

    on_another_thread(lambda: callbacks.tell(done, None))
    on_another_thread(lambda: callbacks.tell(done, away))
    assert told == [], "nothing is told on the thread that knows"
    run_what_is_due(loop)
    assert told == [(threading.get_ident(), None), (threading.get_ident(), away)]


def test_answers_that_come_together_wake_the_loop_once(
    loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> None:
    woken, wake = list[object](), loop.call_soon_threadsafe

    def counted(callback: Callable[[], None]) -> None:
        woken.append(callback)
        wake(callback)

    monkeypatch.setattr(loop, "call_soon_threadsafe", counted)
    callbacks, told = LoopCallbacks(loop), list[BrokerError | None]()
    for times in (1, 2):
        for _ in range(100):
            callbacks.tell(told.append, None)
        run_what_is_due(loop)
        assert (len(told), len(woken)) == (100 * times, times)


def test_an_answer_after_the_end_of_the_loop_is_nobodys(loop: asyncio.AbstractEventLoop) -> None:
    callbacks, told = LoopCallbacks(loop), list[BrokerError | None]()
    loop.close()
    callbacks.tell(told.append, None)
    assert told == []
