"""A copy of a message on a queue: recorded again, it is the same; and whatever is recorded fits."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable

import pytest

from runner.ledger.hops import HopKey, Records, storable
from runner.ledger.journey import Hop
from runner.ledger.ledger import Ledger
from tests.ledger.ledgers import RETRY, Asked, judge, published, record, settled

KEY = HopKey("m1", "in")


def hop(ledger: Ledger, id: str = "m1") -> Hop:
    journey = ledger.journey(id)
    assert journey is not None
    [found] = journey.hops
    return found


def test_a_copy_of_a_list_belongs_to_the_message_that_it_came_from() -> None:
    assert HopKey("m1.2.1", "in").journey == "m1"


def test_a_copy_is_published_once_however_often_that_is_recorded(ledger: Ledger) -> None:
    record(ledger, published(KEY, by="POST /pay", at=1000.0))
    record(ledger, published(KEY, by="somebody else", at=2000.0))
    found = hop(ledger)
    assert (found.state, found.publisher, found.published_at, found.attempts) == ("published", "POST /pay", 1000.0, 0)


def test_what_became_of_it_is_recorded_with_its_attempt(ledger: Ledger) -> None:
    record(ledger, published(KEY, at=1000.0))
    record(ledger, settled(KEY, "waiting", at=1001.0, attempts=2, next_at=1009.0, error="the bank is away"))
    assert hop(ledger) == Hop("m1", "in", "waiting", "POST /pay", 1000.0, "one", 2, 1001.0, 1009.0, "the bank is away")
    record(ledger, settled(KEY, at=1010.0, attempts=3))
    why_again = "the bank is away"
    assert hop(ledger) == Hop("m1", "in", "handled", "POST /pay", 1000.0, "one", 3, 1010.0, None, why_again)


def test_what_other_programs_have_published_is_known_once_it_is_settled(ledger: Ledger) -> None:
    record(ledger, settled(KEY, at=1000.0))
    assert (hop(ledger).publisher, hop(ledger).published_at) == ("", 1000.0)


def test_a_queue_that_no_stage_consumes_is_where_it_leaves(ledger: Ledger) -> None:
    records = Records()
    records.published(KEY, "one", 1000.0, leaves=True)
    record(ledger, records)
    assert hop(ledger).state == "left"


def test_what_is_given_back_has_not_begun(ledger: Ledger) -> None:
    judge(ledger, KEY)
    assert hop(ledger).state == "begun"
    records = Records()
    records.released(KEY, ledger.holder)
    record(ledger, records)
    assert hop(ledger).state == "published"
    record(ledger, settled(KEY))
    record(ledger, records)
    assert hop(ledger).state == "handled", "only what was begun is given back"


@pytest.mark.parametrize("text", ["a\x00b", "a\udc80b", "😀" * 5_000, "x" * 100_000])
def test_any_text_of_an_error_is_recorded(ledger: Ledger, text: str) -> None:
    assert record(ledger, settled(KEY, "dead", error=text)) is None
    assert hop(ledger).error[:1] == text[:1]


def _of_any_script(number: int) -> str:
    """One that doesn't shrink when it is packed."""
    return "".join(chr(random.Random(n).randrange(0x4E00, 0x9FFF)) for n in range(number))


@pytest.mark.parametrize("text", [_of_any_script(3_000), "a\x00b", "a\udc80b", "😀" * 5_000, ""])
def test_any_text_of_a_fact_is_recorded(ledger: Ledger, text: str) -> None:
    records = settled(KEY)
    records.recorded("m1", "kind", text, 1000.0)
    assert record(ledger, records) is None
    journey = ledger.journey("m1")
    assert journey is not None
    assert "kind" in journey.facts


def test_an_id_as_long_as_any_is_recorded(ledger: Ledger) -> None:
    key = HopKey("é" * 100, "q" * 255, "f" * 16)
    assert record(ledger, published(key)) is None
    assert hop(ledger, key.copy).queue == key.queue


def test_processes_that_record_the_same_messages_in_any_order_do_not_hinder_each_other(ledger_url: str) -> None:
    """A PostgreSQL transaction that waits for another that waits for it would be rolled back."""
    away: list[str] = []
    ledgers = [Ledger(ledger_url).open(timeout=30.0) for _ in range(3)]
    asked = Asked()

    def write(ledger: Ledger, order: Callable[[int], int]) -> None:
        for turn in range(20):
            records = Records()
            for number in sorted(range(100), key=order):
                records.add(published(HopKey(f"m{turn}-{number}", "in")))
                records.add(settled(HopKey(f"m{turn}-{number}", "in")))
            ledger.record(records, asked)
            ledger.judge([HopKey(f"m{turn}-{number}", "in") for number in sorted(range(100), key=order)], RETRY, asked)

    orders: list[Callable[[int], int]] = [lambda n: n, lambda n: -n, lambda n: n * 37 % 100]
    for ledger in ledgers:
        ledger.watch(away.append)
    threads = [
        threading.Thread(target=write, args=(ledger, order)) for ledger, order in zip(ledgers, orders, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers = [asked.wait() for _ in range(2 * 20 * 3)]
    assert {answer[-1] for answer in answers} == {None}
    assert away == []
    for ledger in ledgers:
        ledger.close()


def test_text_that_a_database_can_hold_stays_as_it_is() -> None:
    assert storable("naïve 😀") == "naïve 😀"
