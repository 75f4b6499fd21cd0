"""The contract of a shelf, over every broker: looking changes nothing, settling loses nothing."""

from __future__ import annotations

from contextlib import AbstractContextManager

import pytest

from runner.brokers.base import Broker, Shelf
from runner.brokers.registry import kind_of
from runner.errors import BrokerError, PublishError
from runner.message import Destination, Outgoing
from tests.brokers.places import Place
from tests.brokers.plans import NEXT, WORK, consume, ids, to

DEAD = "work.dlq"


def shelf(place: Place, queue: str = DEAD) -> AbstractContextManager[Shelf]:
    return kind_of(place.address).shelves.opened([place.address], "test", queue)


def test_looking_shows_everything_in_order_and_changes_nothing(broker: Broker, place: Place) -> None:
    sent = [to(DEAD, b"{%d}" % n, id=f"m{n}", headers={"runner-error": "no", "mine": n}) for n in range(500)]
    broker.publish(sent, timeout=30)
    for _ in range(2):
        with shelf(place) as on:
            seen = list(on.look())
        assert ids(seen) == ids(sent)
        assert seen[7].payload == b"{7}"
        assert (seen[7].headers["runner-error"], seen[7].headers["mine"]) == ("no", 7)
    assert ids(place.contents(DEAD)) == ids(sent)


def test_who_stops_looking_half_way_leaves_the_order_as_it_was(broker: Broker, place: Place) -> None:
    sent = [to(DEAD, id=f"m{n}") for n in range(50)]
    broker.publish(sent)
    with shelf(place) as on:
        assert next(on.look()).id == "m0"
    assert ids(place.contents(DEAD)) == ids(sent)


def test_what_is_settled_leaves_and_what_was_published_for_it_arrives(broker: Broker, place: Place) -> None:
    broker.publish([to(DEAD, id=f"m{n}") for n in range(5)])
    with shelf(place) as on:
        settled = [on.settle(m, [to(NEXT, b"again", id=m.id)]) for m in on.look() if m.id in ("m1", "m3")]
    assert settled == [True, True]
    assert ids(place.contents(DEAD)) == ["m0", "m2", "m4"]
    assert [(m.id, m.payload) for m in place.contents(NEXT)] == [("m1", b"again"), ("m3", b"again")]


def test_what_is_published_for_it_reaches_a_consumer_at_once(broker: Broker, place: Place) -> None:
    collector = consume(broker)
    broker.publish([to(DEAD, id="m")])
    with shelf(place) as on:
        for message in on.look():
            on.settle(message, [to(WORK, id=message.id)])
        assert [(d.id, d.attempt) for d in collector.wait(1)] == [("m", 1)]


def test_a_refused_message_leaves_the_dead_letter_where_it_is(broker: Broker, place: Place) -> None:
    broker.publish([to(DEAD, id="m"), to(DEAD, id="n")])
    with shelf(place) as on:
        for message in on.look():
            with pytest.raises(PublishError):
                on.settle(message, [Outgoing(Destination("", "nowhere"), message.id, b"{}")])
    assert ids(place.contents(DEAD)) == ["m", "n"]


def test_of_several_that_are_settled_together_each_stays_or_leaves(broker: Broker, place: Place) -> None:
    broker.publish([to(DEAD, id=f"m{n}") for n in range(5)])
    errors: list[BrokerError | None] = []
    pile = []
    with shelf(place) as on:
        for message in on.look():
            pile.append(
                (message, [Outgoing(Destination("", "nowhere"), "x", b"{}") if message.id == "m2" else to(NEXT)])
            )
            if len(pile) == min(3, on.at_once):
                errors += on.settle_all(pile)
                pile = []
        errors += on.settle_all(pile)
    assert [type(error) for error in errors] == [type(None)] * 2 + [PublishError] + [type(None)] * 2
    assert ids(place.contents(DEAD)) == ["m2"]
    assert len(place.contents(NEXT)) == 4


def test_two_operators_never_settle_one_message_twice(broker: Broker, place: Place) -> None:
    broker.publish([to(DEAD, id="m")])
    with shelf(place) as first, shelf(place) as second:
        (mine,) = first.look()
        try:
            theirs = list(second.look())
        except BrokerError:
            theirs = []
        assert first.settle(mine, [to(NEXT, id="m")])
        assert not any(second.settle(message, [to(NEXT, id="m")]) for message in theirs)
    assert ids(place.contents(NEXT)) == ["m"]


def test_a_queue_that_does_not_exist_is_empty(broker: Broker, place: Place) -> None:
    with shelf(place, "nothing.dlq") as on:
        assert list(on.look()) == []


def test_what_comes_back_while_it_is_settled_is_not_seen_again(broker: Broker, place: Place) -> None:
    """As where a replayed message fails at once."""
    broker.publish([to(DEAD, id=f"m{n}") for n in range(5)])
    with shelf(place) as on:
        seen = []
        for message in on.look():
            seen.append(message.id)
            assert on.settle(message, [to(DEAD, id=message.id)])
    assert seen == [f"m{n}" for n in range(5)]
    assert ids(place.contents(DEAD)) == seen


def test_large_messages_are_all_seen(broker: Broker, place: Place) -> None:
    large = b'"' + b"x" * 700_000 + b'"'
    broker.publish([to(DEAD, large, id=f"m{n}") for n in range(15)], timeout=30)
    with shelf(place) as on:
        assert [(m.id, len(m.payload)) for m in on.look()] == [(f"m{n}", len(large)) for n in range(15)]
