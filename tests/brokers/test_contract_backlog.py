"""The contract of shelves for messages that wait, over every broker: the pipeline goes on meanwhile."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from runner.brokers.base import Broker, Shelf
from runner.brokers.registry import kind_of
from runner.message import ATTEMPT, ERROR
from tests.brokers.conftest import Opener
from tests.brokers.places import Place
from tests.brokers.plans import NEXT, WORK, consume, ids, to, topology
from tests.waiting import wait_until

LATER = 60.0
"""Seconds."""


def waiting(place: Place) -> AbstractContextManager[Shelf]:
    return kind_of(place.address).shelves.waiting([place.address], "test", topology(), WORK)


def delayed(place: Place) -> AbstractContextManager[Shelf]:
    return kind_of(place.address).shelves.delayed([place.address], "test", topology(wait=LATER), WORK)


def test_looking_at_what_is_ready_counts_no_attempt_and_loses_nothing(broker: Broker, place: Place) -> None:
    sent = [to(WORK, id=f"m{n:02}", headers={"mine": n, ATTEMPT: 2, ERROR: "no"}) for n in range(30)]
    broker.publish(sent, timeout=30)
    for _ in range(2):
        with waiting(place) as on:
            seen = list(on.look())
        assert sorted(ids(seen)) == ids(sent)
        assert (seen[0].headers[ATTEMPT], seen[0].headers[ERROR]) == (2, "no")
    collector = consume(broker, prefetch=50)
    assert {(d.id, d.attempt, d.deaths) for d in collector.wait(30)} == {(m.id, 3, 0) for m in sent}


def test_who_stops_half_way_has_changed_nothing(broker: Broker, place: Place) -> None:
    broker.publish([to(WORK, id=f"m{n:02}") for n in range(30)], timeout=30)
    with waiting(place) as on:
        looking = on.look()
        next(looking)
        looking.close()  # type: ignore[attr-defined]
    collector = consume(broker, prefetch=50)
    assert {(d.id, d.attempt) for d in collector.wait(30)} == {(f"m{n:02}", 1) for n in range(30)}


def test_what_is_settled_leaves_and_the_others_stay(broker: Broker, place: Place) -> None:
    broker.publish([to(WORK, id=f"m{n}") for n in range(5)])
    with waiting(place) as on:
        for message in on.look():
            if message.id in ("m1", "m3"):
                assert on.settle(message, [to(NEXT, id=message.id)] if message.id == "m3" else [])
    assert (sorted(ids(place.contents(WORK))), ids(place.contents(NEXT))) == (["m0", "m2", "m4"], ["m3"])


def test_what_a_worker_has_in_hand_is_not_settled(broker: Broker, place: Place) -> None:
    broker.publish([to(WORK, id="m")])
    collector = consume(broker)
    [delivery] = collector.wait(1)
    with waiting(place) as on:
        assert not any(on.settle(message, []) for message in on.look())
    broker.settle(delivery, [to(NEXT, id="done")])
    wait_until(lambda: ids(place.contents(NEXT)) == ["done"])


@pytest.mark.parametrize("settled", [(), ("m1",), ("m0", "m1", "m2")])
def test_what_is_delayed_is_seen_and_settled_while_it_waits(
    open_broker: Opener, place: Place, settled: tuple[str, ...]
) -> None:
    broker = open_broker(topology(wait=LATER))
    broker.publish([to(WORK, id=f"m{n}", headers={"mine": n}, delay=LATER) for n in range(3)])
    with delayed(place) as on:
        seen = list(on.look()) if not settled else []
        for message in on.look() if settled else ():
            if message.id in settled:
                assert on.settle(message, [])
            seen.append(message)
    assert ids(seen) == ["m0", "m1", "m2"]
    assert [message.headers["mine"] for message in seen] == [0, 1, 2]
    assert broker.depths([WORK])[WORK].delayed == 3 - len(settled)
    with delayed(place) as on:
        assert ids(on.look()) == [name for name in ("m0", "m1", "m2") if name not in settled]
