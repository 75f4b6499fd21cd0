"""The contract of `runner.brokers.base`, on both brokers: what comes again, when, and how it is counted."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from runner.brokers.base import Broker
from runner.errors import BrokerUnavailableError
from runner.message import ATTEMPT
from tests.brokers.conftest import Opener
from tests.brokers.holder import Holder
from tests.brokers.places import Place
from tests.brokers.plans import MORE, NEXT, RETRY_DELAY, WORK, Collector, consume, depth, ids, retry_of, to
from tests.waiting import wait_until

Hold = Callable[..., Holder]


# -- delays ----------------------------------------------------------------------------------


def test_a_retry_comes_again_no_sooner_than_its_delay(broker: Broker) -> None:
    collector = consume(broker)
    broker.publish([to(WORK, b"[1]", id="p1")])
    first = collector.next()
    settled = time.time()
    broker.settle(first, [retry_of(first, 1)])
    second = collector.next()
    assert time.time() - settled >= RETRY_DELAY
    assert (second.id, second.payload, second.attempt) == ("p1", b"[1]", 2)


def test_a_delay_is_kept_while_nobody_is_there(open_broker: Opener) -> None:
    broker = open_broker()
    collector = consume(broker)
    broker.publish([to(WORK, id="p1")])
    first = collector.next()
    broker.cancel(WORK)  # it must not take the retry itself
    settled = time.time()
    broker.settle(first, [retry_of(first, 1)])
    wait_until(lambda: depth(broker).in_hand == 0)
    broker.close()
    second = consume(open_broker(name="another")).next()
    assert time.time() - settled >= RETRY_DELAY
    assert (second.id, second.attempt) == ("p1", 2)


def test_what_waits_for_a_retry_holds_nothing_up(broker: Broker) -> None:
    collector = consume(broker, prefetch=1)
    broker.publish([to(WORK, id="again"), to(WORK, id="next")])
    first = collector.next()
    broker.settle(first, [retry_of(first, 1)])
    following = collector.next()
    broker.settle(following, [])
    assert following.id == "next"
    assert collector.next().id == "again"


# -- attempts --------------------------------------------------------------------------------


def test_the_attempts_in_the_header_are_counted(broker: Broker) -> None:
    broker.publish([to(WORK, headers={ATTEMPT: 3})])
    assert consume(broker).next().attempt == 4


@pytest.mark.parametrize("garbage", ["many", -1, None, 1.5, [1]])
def test_a_foreign_attempt_header_that_makes_no_sense_counts_nothing(broker: Broker, garbage: Any) -> None:
    broker.publish([to(WORK, headers={ATTEMPT: garbage})])
    assert consume(broker).next().attempt == 1


def test_a_delivery_that_dies_with_its_holder_is_counted(broker: Broker, hold: Hold) -> None:
    broker.publish([to(WORK, id="p1")])
    for attempt in (1, 2, 3):
        holder = hold(WORK)
        assert holder.take(1) == {"p1": attempt}
        holder.kill()
    last = consume(broker).next()
    assert (last.attempt, last.deaths) == (4, 3)


def test_retries_and_deaths_add_up_over_two_consumers(broker: Broker, hold: Hold) -> None:
    broker.publish([to(WORK, id="p1", headers={ATTEMPT: 1})])
    holder = hold(WORK)
    assert holder.take(1) == {"p1": 2}
    holder.kill()
    collector = consume(broker)
    third = collector.next()
    assert (third.attempt, third.deaths) == (3, 1)
    broker.cancel(WORK)
    broker.settle(third, [retry_of(third, third.attempt)])
    wait_until(lambda: depth(broker).in_hand == 0)
    fourth = consume(broker).next()
    assert (fourth.attempt, fourth.deaths) == (4, 0)


def test_a_message_that_kills_its_worker_is_counted_and_its_neighbours_hardly(broker: Broker, hold: Hold) -> None:
    """The worker works on one message at a time and dies of one in the middle, again and again."""
    sent = [f"n{number}" for number in range(25)] + ["killer"] + [f"n{number}" for number in range(25, 50)]
    broker.publish([to(WORK, id=name) for name in sent])
    deaths: list[int] = []
    blamed: dict[str, int] = {}
    while len(deaths) < 3:
        holder = hold(WORK)
        for line in holder.lines():
            if line["id"] == "killer":
                deaths.append(line["attempt"])
                break
            blamed[line["id"]] = max(line["attempt"], blamed.get(line["id"], 0))
            holder.order(f"settle {line['id']}")
        holder.kill()
    assert deaths == [1, 2, 3]
    collector = consume(broker)
    while "killer" not in (got := collector.next()).id or got.attempt != 4:
        blamed[got.id] = max(got.attempt, blamed.get(got.id, 0))
        broker.settle(got, [])
    assert max(blamed.values()) <= 2


def test_what_a_killed_process_held_comes_to_the_others_while_they_run(broker: Broker, hold: Hold) -> None:
    holder = hold(WORK, prefetch=5)
    broker.publish([to(WORK, id=str(number)) for number in range(5)])
    holder.take(5)
    collector = consume(broker)
    holder.kill()
    seen = []
    for _ in range(5):
        delivery = collector.next()
        seen.append((delivery.id, delivery.attempt))
        broker.settle(delivery, [])
    assert sorted(seen) == [(str(number), 2) for number in range(5)]


def test_of_those_whose_holder_died_a_process_has_one_in_hand_over_all_its_queues(broker: Broker, hold: Hold) -> None:
    broker.publish([to(queue, id=f"{queue}{number}") for queue in (WORK, MORE) for number in range(3)])
    holder = hold(WORK, MORE)
    holder.take(6)
    holder.kill()
    collector = Collector()
    for queue in (WORK, MORE):
        broker.consume(queue, 100, collector)
    seen = set()
    for count in range(6):
        delivery = collector.next()
        seen.add(delivery.id)
        broker.publish([to(WORK, id=f"fresh{count}")])
        fresh = collector.next()
        assert (delivery.attempt, fresh.id) == (2, f"fresh{count}")
        for settled in (fresh, delivery):
            broker.settle(settled, [])
    assert len(seen) == 6


# -- release and close -------------------------------------------------------------------------


def test_what_is_released_comes_again_uncounted(broker: Broker, open_broker: Opener) -> None:
    collector = consume(broker)
    broker.publish([to(WORK, b"[7]", id="p1", headers={"kept": 1, ATTEMPT: 1})])
    first = collector.next()
    broker.cancel(WORK)
    broker.release([first])
    second = consume(open_broker(name="another")).next()
    assert (second.id, second.payload, second.attempt, second.headers["kept"]) == ("p1", b"[7]", 2, 1)


def test_what_died_with_its_holder_and_is_released_keeps_its_count(broker: Broker, hold: Hold) -> None:
    broker.publish([to(WORK, id="p1")])
    holder = hold(WORK)
    holder.take(1)
    holder.kill()
    collector = consume(broker)
    suspect = collector.next()
    broker.cancel(WORK)
    broker.release([suspect])
    again = consume(broker).next()
    assert (again.attempt, again.deaths) == (2, 1)


def test_closing_gives_back_what_is_in_hand_uncounted(broker: Broker, hold: Hold) -> None:
    broker.publish([to(WORK, id="p1"), to(WORK, id="p2")])
    holder = hold(WORK)
    holder.take(2)
    holder.order("close")
    assert next(holder.lines()) == {"closed": True}
    again = consume(broker).wait(2)
    assert sorted((delivery.id, delivery.attempt) for delivery in again) == [("p1", 1), ("p2", 1)]


def test_closing_lets_what_was_settled_leave_first(open_broker: Opener, place: Place) -> None:
    broker = open_broker()
    broker.publish([to(WORK, id=str(number)) for number in range(200)])
    for delivery in consume(broker, prefetch=200).wait(200):
        broker.settle(delivery, [to(NEXT, id=delivery.id)])
    broker.close()
    assert sorted(ids(place.contents(NEXT)), key=int) == [str(number) for number in range(200)]
    assert depth(open_broker(name="another")).ready == 0


def test_closing_twice_is_closing(open_broker: Opener) -> None:
    broker = open_broker()
    broker.close()
    broker.close()
    assert not broker.available
    with pytest.raises(BrokerUnavailableError):
        broker.publish([to(WORK)])
