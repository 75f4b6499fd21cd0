"""A broker that does not confirm: what waits for it is bounded, and goes on when it does."""

from __future__ import annotations

from runner.brokers.base import Done
from runner.brokers.outstanding import MOST_OUTSTANDING, Outstanding
from runner.errors import BrokerError
from tests.brokers.plans import NEXT, to, turned_away

MIB = 2**20


def forget(_error: BrokerError | None) -> None: ...


def submit(outstanding: Outstanding, size: int, done: Done = forget) -> Done:
    return outstanding.counted([to(NEXT, bytes(size))], done)


def test_beyond_the_bound_nothing_is_taken_until_something_is_answered() -> None:
    outstanding = Outstanding()
    told: list[BrokerError | None] = []
    waiting, reason = turned_away(lambda: submit(outstanding, MIB, told.append))
    assert reason == "63 MiB wait for the broker to confirm them, and no more may wait"
    assert len(waiting) == MOST_OUTSTANDING // MIB - 1
    waiting.pop()(None)
    assert told == [None]
    more, _ = turned_away(lambda: submit(outstanding, MIB))
    assert len(more) == 1


def test_small_messages_count_with_what_they_take_beside_their_payload() -> None:
    outstanding = Outstanding()
    waiting, _ = turned_away(lambda: submit(outstanding, 0))
    assert len(waiting) == MOST_OUTSTANDING // 1024


def test_a_message_alone_may_be_larger_than_the_bound() -> None:
    outstanding = Outstanding()
    waiting = submit(outstanding, MOST_OUTSTANDING + 1)
    assert turned_away(lambda: submit(outstanding, 0))[0] == []
    waiting(None)
    assert turned_away(lambda: submit(outstanding, 0))[0] != []
