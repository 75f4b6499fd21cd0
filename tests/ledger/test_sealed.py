"""A result counts as sealed with a key if one of its values is."""

from __future__ import annotations

import threading

import pytest

from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.ledger import Ledger


@pytest.mark.parametrize(
    ("result", "count"),
    [
        (b'["sealed.1.abcd.AAAA"]', 1),
        (b'["sealed.1.abcde.AAAA"]', 0),
        (b'["sealed.2.abcd.AAAA"]', 0),
        (b'["sealed.1.other.AAAA", "sealed.1.abcd.AAAA"]', 1),
        (None, 0),
    ],
)
def test_a_result_is_found_by_the_key_that_its_values_name(ledger_url: str, result: bytes | None, count: int) -> None:
    ledger, done, records = Ledger(ledger_url).open(timeout=30.0), threading.Event(), Records()
    records.settled(Settled(HopKey("m1", "work"), "handled", "one", 1, 0.0, result=result))
    ledger.record(records, lambda _error: done.set())
    assert done.wait(30)
    found = ledger.sealed_with("abcd")
    ledger.close()
    assert found == count
