"""Results from other threads, on an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from runner.intake.landing import Landing

SOON, LATE = 0.01, 30.0
"""Seconds."""


def test_each_waiter_gets_its_own_result_however_many_come_together() -> None:
    async def main() -> list[int]:
        landing, futures = Landing(asyncio.get_running_loop()), [Future[int]() for _ in range(1000)]
        waiting = asyncio.gather(*(landing.result(future, LATE) for future in futures))
        with ThreadPoolExecutor(4) as threads:
            for number, future in enumerate(futures):
                threads.submit(future.set_result, number)
            return await waiting

    assert asyncio.run(main()) == list(range(1000))


def test_what_a_future_raises_is_raised() -> None:
    async def main(*, before: bool) -> None:
        landing, future = Landing(asyncio.get_running_loop()), Future[None]()
        if before:
            future.set_exception(KeyError("why"))
        waiting = asyncio.ensure_future(landing.result(future, LATE))
        await asyncio.sleep(0)
        if not before:
            await asyncio.to_thread(future.set_exception, KeyError("why"))
        await waiting

    for before in (True, False):
        with pytest.raises(KeyError, match="why"):
            asyncio.run(main(before=before))


def test_who_has_waited_for_long_enough_goes_and_the_result_may_come_later() -> None:
    async def main() -> str:
        landing, late, next_one = Landing(asyncio.get_running_loop()), Future[str](), Future[str]()
        with pytest.raises(TimeoutError):
            await landing.result(late, SOON)
        waiting = asyncio.ensure_future(landing.result(next_one, LATE))
        await asyncio.sleep(0)
        late.set_result("nobody waits for it")
        next_one.set_result("it")
        return await waiting

    assert asyncio.run(main()) == "it"


def test_a_result_that_comes_after_the_loop_has_ended_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    future = Future[None]()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await Landing(asyncio.get_running_loop()).result(future, SOON)

    asyncio.run(main())
    future.set_result(None)
    assert not caplog.records
