"""What a process has in hand, and when a suspect may come."""

from __future__ import annotations

import pytest

from runner.brokers.embedded import hand
from runner.brokers.embedded.hand import Hand, Subscription
from runner.message import Delivery, Session
from tests.brokers.plans import WORK, Collector


@pytest.fixture
def subscription() -> Subscription:
    return Subscription(WORK, 10, Collector())


def delivery(subscription: Subscription, place: int, payload: bytes = b"{}") -> Delivery:
    return Delivery(WORK, f"m{place}", payload, {}, 1, Session(), tag=place, broker_data=subscription)


def test_what_is_put_in_hand_counts_until_it_is_dropped(subscription: Subscription) -> None:
    mine, one, other = Hand(), delivery(subscription, 1, b"12345"), delivery(subscription, 2, b"123")
    mine.put(one, suspect=False)
    mine.put(other, suspect=False)
    assert (mine.bytes, subscription.in_hand, one in mine) == (8, 2, True)
    mine.drop(one)
    assert (mine.bytes, subscription.in_hand, one in mine, other in mine) == (3, 1, False, True)


def test_a_suspect_comes_alone_unless_the_one_before_is_slow(
    subscription: Subscription, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Hand()
    takes = [mine.takes_suspect]
    mine.put(delivery(subscription, 1), suspect=True)
    mine.put(delivery(subscription, 2), suspect=False)
    takes.append(mine.takes_suspect)
    monkeypatch.setattr(hand, "PATIENCE", 0.0)
    takes.append(mine.takes_suspect)
    assert takes == [True, False, True]


def test_the_next_suspect_may_come_when_the_one_before_is_settled(subscription: Subscription) -> None:
    mine, suspect, other = Hand(), delivery(subscription, 1), delivery(subscription, 2)
    mine.put(suspect, suspect=True)
    mine.put(other, suspect=False)
    takes = []
    for one in (other, suspect):
        mine.drop(one)
        takes.append(mine.takes_suspect)
    assert takes == [False, True]
