"""All hops of one message, and how it stands."""

from __future__ import annotations

import sys
import time
from types import FrameType
from typing import Any

import pytest

from runner.ledger.hops import HopKey, Records, State
from runner.ledger.journey import Hop, Journey, Standing, json_of
from runner.ledger.ledger import Ledger
from tests.ledger.ledgers import published, record, settled


def journey(*states: State) -> Journey:
    hops = [Hop("m1", f"q{n}", state, "", n, "", 0, 10.0 + n, None, "") for n, state in enumerate(states)]
    return Journey("m1", tuple(hops), {})


@pytest.mark.parametrize(
    ("states", "standing", "under_way"),
    [
        (["published"], "accepted", True),
        (["published", "published"], "accepted", True),
        (["begun"], "in progress", True),
        (["handled", "published"], "in progress", True),
        (["handled", "waiting"], "waiting", True),
        (["published", "waiting"], "waiting", True),
        (["handled"], "done", False),
        (["handled", "handled", "left"], "done", False),
        (["left"], "done", False),
        (["dead"], "dead", False),
        (["handled", "published", "dead"], "dead", False),
        (["moved", "handled"], "done", False),
        (["handled", "dropped"], "dropped", False),
        (["dropped", "published"], "in progress", True),
        (["dropped", "dead"], "dead", False),
    ],
)
def test_how_a_message_stands(states: list[State], standing: Standing, under_way: bool) -> None:
    found = journey(*states)
    assert (found.standing, found.under_way) == (standing, under_way)


def test_it_was_accepted_first_and_changed_last() -> None:
    found = journey("handled", "handled", "published")
    assert (found.accepted_at, found.changed_at) == (0, 12.0)


def test_nothing_is_known_of_what_was_never_published(ledger: Ledger) -> None:
    record(ledger, published(HopKey("m1", "in")))
    assert ledger.journey("m2") is None
    assert ledger.journey("m") is None


def test_all_copies_belong_to_the_journey_in_the_order_of_their_publication(ledger: Ledger) -> None:
    keys = [HopKey("m1", "in"), HopKey("m1.1", "out"), HopKey("m1.2", "out"), HopKey("m1.2", "more")]
    for at, key in enumerate(keys):
        record(ledger, published(key, at=1000.0 + at))
    record(ledger, published(HopKey("m10", "in"), at=1001.5))
    found = ledger.journey("m1")
    assert found is not None
    assert [(hop.copy, hop.queue) for hop in found.hops] == [(key.copy, key.queue) for key in keys]


def test_a_fact_is_a_value_and_of_several_copies_a_list(ledger: Ledger) -> None:
    records = settled(HopKey("m1", "in"))
    records.recorded("m1", "payment", json_of("paid"), 1000.0)
    records.recorded("m1.1", "mail", json_of({"to": "a"}), 1000.0)
    records.recorded("m1.2", "mail", json_of(["b", 2, None]), 1000.0)
    for _ in range(2):
        record(ledger, records)
    found = ledger.journey("m1")
    assert found is not None
    assert found.facts == {"payment": "paid", "mail": [{"to": "a"}, ["b", 2, None]]}


def test_what_many_copies_have_recorded_is_in_their_order(ledger: Ledger) -> None:
    records = Records()
    for number in range(12, 0, -1):
        records.published(HopKey(f"m1.{number}", "out"), "split", 1.0)
        records.recorded(f"m1.{number}", "n", json_of(number), 1.0)
    record(ledger, records)
    found = ledger.journey("m1")
    assert found is not None
    assert found.facts == {"n": list(range(1, 13))}
    assert [hop.copy for hop in found.hops] == [f"m1.{number}" for number in range(1, 13)]


def test_messages_are_found_by_what_was_recorded_of_them_the_newest_first(ledger: Ledger) -> None:
    records, now = Records(), time.time()
    for n in range(10):
        records.recorded(f"m{n}", "payment", json_of("declined" if n % 2 else "paid"), now + n)
        records.recorded(f"m{n}", "colour", json_of("declined"), now + n)
    record(ledger, records)
    assert ledger.find("payment", "declined") == [(f"m{n}", now + n) for n in (9, 7, 5, 3, 1)]
    assert ledger.find("payment", "declined", since=now + 5) == [(f"m{n}", now + n) for n in (9, 7, 5)]
    assert ledger.find("payment", "declined", most=2) == [("m9", now + 9), ("m7", now + 7)]
    assert ledger.find("payment", "refunded") == []


def test_a_fact_too_long_to_be_kept_is_found_as_far_as_it_was_kept(ledger: Ledger) -> None:
    records, value = Records(), "é" * 4_000
    records.recorded("m1", "text", json_of(value), 1000.0)
    record(ledger, records)
    assert ledger.find("text", value) == [("m1", 1000.0)]


def test_the_order_of_an_objects_names_does_not_matter_to_finding_it(ledger: Ledger) -> None:
    records = Records()
    records.recorded("m1", "card", json_of({"a": 1, "b": 2}), 1000.0)
    record(ledger, records)
    assert ledger.find("card", {"b": 2, "a": 1}) == [("m1", 1000.0)]


def handled(copies: list[str], at: float) -> Records:
    """What a worker records of `m1` on `in`, whose handler has returned these copies for `out`."""
    records = settled(HopKey("m1", "in"), at=at)
    for copy in copies:
        records.published(HopKey(copy, "out"), "one", at)
        records.recorded(copy, "payment", json_of(copy), at)
    return records


def test_a_copy_that_the_handler_did_not_return_again_is_not_waited_for(ledger: Ledger) -> None:
    """Its worker was killed before it published anything."""
    record(ledger, handled(["m1.1", "m1.2", "m1.3"], at=1000.0))
    record(ledger, handled(["m1.1", "m1.2"], at=2000.0))
    for copy in ("m1.1", "m1.2"):
        record(ledger, settled(HopKey(copy, "out"), stage="two"))
    found = ledger.journey("m1")
    assert found is not None
    assert found.standing == "done"
    assert found.facts == {"payment": ["m1.1", "m1.2"]}
    record(ledger, settled(HopKey("m1.3", "out"), "waiting", stage="two"))
    found = ledger.journey("m1")
    assert found is not None
    assert found.standing == "waiting", "it was published after all"


def test_a_copy_that_is_still_on_its_queue_is_waited_for(ledger: Ledger) -> None:
    record(ledger, handled(["m1.1", "m1.2"], at=1000.0))
    record(ledger, handled(["m1.1", "m1.2"], at=2000.0))
    record(ledger, settled(HopKey("m1.1", "out"), stage="two"))
    found = ledger.journey("m1")
    assert found is not None
    assert found.standing == "in progress"


def test_many_copies_are_not_each_compared_with_all_others(ledger: Ledger) -> None:
    copies = [f"m1.{number}" for number in range(1, 601)]
    record(ledger, handled(copies, at=1000.0))
    steps = 0

    def count(frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal steps
        steps += 1
        return count if frame.f_code.co_filename.endswith("journey.py") else None

    before = sys.gettrace()
    sys.settrace(count)
    found = ledger.journey("m1")
    sys.settrace(before)
    assert found is not None
    assert len(found.hops) == 601
    assert steps < 100 * len(copies)
