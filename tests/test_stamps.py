"""When a message was accepted, and put on its queue: the headers of a sample."""

from __future__ import annotations

import time

import pytest

from runner.message import NO_HEADERS
from runner.stamps import BEGAN, EVERY, LONGEST, QUEUED, Sampler, moved_on, since

NOW = 1_800_000_000.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    times = [NOW]
    monkeypatch.setattr(time, "time", lambda: times[0])
    return times


def test_only_some_messages_a_second_are_stamped(clock: list[float]) -> None:
    sampler, stamped = Sampler(), 0
    for step in range(1000):
        clock[0] = NOW + step / 1000
        stamped += BEGAN in sampler.stamped(NO_HEADERS)
    assert stamped == round(1 / EVERY)


def test_a_stamp_is_in_milliseconds_and_other_headers_stay(clock: list[float]) -> None:
    assert Sampler().stamped({"via": "a"}) == {"via": "a", BEGAN: NOW * 1000, QUEUED: NOW * 1000}


def test_a_clock_that_was_set_back_ends_no_sampling(clock: list[float]) -> None:
    sampler = Sampler()
    sampler.stamped({})
    clock[0] -= 86_400.0
    assert BEGAN in sampler.stamped({})


def test_a_message_that_moves_on_is_on_its_queue_from_then_or_from_the_end_of_its_wait(clock: list[float]) -> None:
    began = Sampler().stamped({})
    clock[0] += 5.0
    assert moved_on(began) == {BEGAN: NOW * 1000, QUEUED: (NOW + 5) * 1000}
    assert moved_on(began, 60.0)[QUEUED] == (NOW + 65) * 1000


def test_one_without_stamps_gets_none_on_its_way() -> None:
    assert moved_on(NO_HEADERS) is NO_HEADERS


@pytest.mark.parametrize("nonsense", ["1", None, True, 1.5, 0, 10**30, -5, int((NOW - LONGEST - 1) * 1000)])
def test_what_another_program_wrote_there_is_no_stamp(nonsense: object) -> None:
    assert since({QUEUED: nonsense}, QUEUED, NOW) is None


def test_no_time_is_below_zero_though_clocks_differ() -> None:
    assert since({QUEUED: int((NOW + 2) * 1000)}, QUEUED, NOW) == 0.0
    assert since({QUEUED: int((NOW - 2.5) * 1000)}, QUEUED, NOW) == 2.5
    assert since({}, QUEUED, NOW) is None
