"""What an operator does to a message is in its journey at once, and taken back where nothing came of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from runner.ledger.hops import HopKey, Records, State
from runner.ledger.interventions import Copy, Interventions, Undo
from runner.ledger.ledger import Ledger
from runner.worker.once import MARKED
from tests.ledger.ledgers import PARK, RETRY, judge, published, record, settled

HERE: Copy = ("m1", "in", {})
ELSEWHERE: Copy = ("m1", "out", {})
WHY = "replayed by ada: the bank is back"


@pytest.fixture
def hand(ledger: Ledger, ledger_url: str) -> Iterator[Interventions]:
    found = Interventions(ledger_url, leaving=["left"])
    yield found
    found.close()


def sent_again(hand: Interventions, to: Sequence[Copy]) -> Undo:
    [undo] = hand.sent_or_gone([(HERE, to)], WHY)
    return undo


def taken_away(hand: Interventions, why: str = WHY) -> Undo:
    [undo] = hand.sent_or_gone([(HERE, ())], why)
    return undo


def die(ledger: Ledger) -> None:
    key = HopKey("m1", "in")
    record(ledger, published(key))
    record(ledger, settled(key, "dead"))


def hops(ledger: Ledger) -> dict[str, State]:
    found = ledger.journey("m1")
    assert found is not None
    return {hop.queue: hop.state for hop in found.hops}


def test_what_is_sent_again_is_under_way_at_once_and_says_by_whom(ledger: Ledger, hand: Interventions) -> None:
    die(ledger)
    sent_again(hand, [HERE])
    found = ledger.journey("m1")
    assert found is not None
    assert (found.standing, found.hops[0].error, found.hops[0].attempts) == ("accepted", WHY, 0)


def test_what_is_sent_elsewhere_leaves_no_dead_copy_behind(ledger: Ledger, hand: Interventions) -> None:
    die(ledger)
    sent_again(hand, [ELSEWHERE, ("m1", "left", {})])
    assert hops(ledger) == {"in": "moved", "out": "published", "left": "left"}


def test_what_is_dropped_is_known_as_dropped(ledger: Ledger, hand: Interventions) -> None:
    die(ledger)
    taken_away(hand, "dropped by ada: a test")
    found = ledger.journey("m1")
    assert found is not None
    assert (found.standing, found.hops[0].error) == ("dropped", "dropped by ada: a test")


def test_nothing_came_of_it_so_all_is_as_it_was(ledger: Ledger, hand: Interventions) -> None:
    die(ledger)
    before = ledger.journey("m1")
    sent_again(hand, [ELSEWHERE])()
    assert ledger.journey("m1") == before
    sent_again(hand, [HERE])()
    taken_away(hand)()
    assert ledger.journey("m1") == before


def test_what_a_worker_has_done_meanwhile_is_not_taken_back(ledger: Ledger, hand: Interventions) -> None:
    die(ledger)
    undo = sent_again(hand, [HERE])
    record(ledger, settled(HopKey("m1", "in"), "handled"))
    undo()
    assert hops(ledger) == {"in": "handled"}


def test_a_message_that_the_ledger_does_not_know_is_known_from_its_replay_on(
    ledger: Ledger, hand: Interventions
) -> None:
    taken_away(hand)
    assert ledger.journey("m1") is None
    sent_again(hand, [HERE])()
    assert ledger.journey("m1") is None
    sent_again(hand, [HERE])
    assert hops(ledger) == {"in": "published"}


def test_what_is_finished_is_not_run_again_and_what_is_parked_is(ledger: Ledger, hand: Interventions) -> None:
    key, now = HopKey("m1", "in"), time.time()
    begun = Records()
    begun.begun(key, now - 100_000, "somebody who has died")
    record(ledger, begun)
    assert [judged.standing for judged in judge(ledger, key, rule=PARK)] == ["unknown"]
    sent_again(hand, [HERE])  # it is in hand, as far as anybody knows
    assert hops(ledger) == {"in": "begun"}
    record(ledger, settled(key, "dead", error="the bank is away"))
    sent_again(hand, [HERE])
    [judged] = judge(ledger, key, rule=MARKED)
    assert judged.standing == "failed"
    assert judged.key_age > 99_000  # too old a key still parks it
    record(ledger, settled(key, "dead", error="parked: a worker died"))
    sent_again(hand, [HERE])
    [judged] = judge(ledger, key, rule=PARK)
    assert (judged.standing, judged.key_age) == ("new", 0.0)
    record(ledger, settled(key, "handled", result=b"[]"))
    sent_again(hand, [HERE])
    assert [judged.standing for judged in judge(ledger, key, rule=RETRY)] == ["finished"]
    assert hops(ledger) == {"in": "handled"}


def test_a_ledger_that_was_never_made_is_not_made(tmp_path: Path) -> None:
    hand = Interventions(f"sqlite:{tmp_path / 'ledger.db'}")
    sent_again(hand, [HERE])()
    taken_away(hand)()
    assert not list(tmp_path.iterdir())
