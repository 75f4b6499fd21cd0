"""Results from other threads, on an event loop."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.intake.landing import Landing
from runner.intake.promise import Promise

SOON, LATE = 0.01, 30.0
"""Seconds."""


def test_each_waiter_gets_its_own_result_however_many_come_together() -> None:
    async def main() -> list[int]:
        landing, promises = Landing(asyncio.get_running_loop()), [Promise[int]() for _ in range(1000)]
        waiting = asyncio.gather(*(landing.result(promise, LATE) for promise in promises))
        with ThreadPoolExecutor(4) as threads:
            for number, promise in enumerate(promises):
                threads.submit(promise.keep, number)
            return await waiting

    assert asyncio.run(main()) == list(range(1000))


def test_what_a_promise_raises_is_raised() -> None:
    async def main(*, before: bool) -> None:
        landing, promise = Landing(asyncio.get_running_loop()), Promise[None]()
        if before:
            promise.fail(KeyError("why"))
        waiting = asyncio.ensure_future(landing.result(promise, LATE))
        await asyncio.sleep(0)
        if not before:
            await asyncio.to_thread(promise.fail, KeyError("why"))
        await waiting

    for before in (True, False):
        with pytest.raises(KeyError, match="why"):
            asyncio.run(main(before=before))


def test_who_has_waited_for_long_enough_goes_and_the_result_may_come_later() -> None:
    async def main() -> str:
        landing, late, next_one = Landing(asyncio.get_running_loop()), Promise[str](), Promise[str]()
        with pytest.raises(TimeoutError):
            await landing.result(late, SOON)
        waiting = asyncio.ensure_future(landing.result(next_one, LATE))
        await asyncio.sleep(0)
        late.keep("nobody waits for it")
        next_one.keep("it")
        return await waiting

    assert asyncio.run(main()) == "it"


def test_a_result_that_comes_after_the_loop_has_ended_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    promise = Promise[None]()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await Landing(asyncio.get_running_loop()).result(promise, SOON)

    asyncio.run(main())
    promise.keep(None)
    assert not caplog.records
