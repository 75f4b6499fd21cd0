"""The processes that use the broker's file: what each consumes, and what it has in hand."""

from __future__ import annotations

from collections.abc import Callable

from runner.brokers.embedded.store import Store
from tests.brokers.embedded.conftest import put, transaction
from tests.brokers.plans import NEXT, WORK


def test_each_is_told_who_else_consumes_a_queue(open_store: Callable[[], Store]) -> None:
    one, other = open_store(), open_store()
    with transaction(one):
        one.owners.consume([WORK])
    with transaction(other):
        other.owners.consume([WORK, NEXT])
    with transaction(one):
        assert one.owners.consumers(one.queues[WORK]) == [other.presence.token]
        assert one.owners.all_consumers() == {other.presence.token}
        assert list(one.owners.others()) == [other.presence.token]


def test_who_leaves_is_an_owner_no_more_and_what_he_had_waits_again_uncounted(open_store: Callable[[], Store]) -> None:
    one, other = open_store(), open_store()
    put(one, WORK, b"a", b"b")
    with transaction(other):
        assert len(other.messages.take(other.queues[WORK], 10, suspect=True)) == 2
        other.owners.leave()
    with transaction(one):
        assert not list(one.owners.others())
        assert [taken.crashes for taken in one.messages.take(one.queues[WORK], 10, suspect=False)] == [0, 0]


def test_a_death_counts_against_what_the_dead_one_had_in_hand(open_store: Callable[[], Store]) -> None:
    one, dead = open_store(), open_store()
    put(one, WORK, b"a")
    with transaction(dead):
        dead.messages.take(dead.queues[WORK], 1, suspect=True)
    dead.presence.let_go()  # as its death does
    with transaction(one):
        dead_owners = one.owners.return_claims_of_the_dead()
        assert one.messages.take(one.queues[WORK], 1, suspect=False) == []
        assert [taken.crashes for taken in one.messages.take(one.queues[WORK], 1, suspect=True)] == [1]
    for owner in dead_owners:
        owner.remove_files()
    assert len(dead_owners) == 1


def test_a_queue_that_is_paused_tells_why_for_as_long_as_its_consumer_lives(open_store: Callable[[], Store]) -> None:
    one, other = open_store(), open_store()
    with transaction(other):
        other.owners.consume([], {WORK: "the relay is away"})
    assert one.view.pauses() == {WORK: ["the relay is away"]}
    with transaction(other):
        other.owners.leave()
    assert one.view.pauses() == {}
