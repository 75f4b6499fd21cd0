"""What messages are found by: hashes that tell nothing without the keys, and are forgotten."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select

from runner.ledger.hops import HopKey, Records
from runner.ledger.ledger import Ledger
from runner.ledger.tables import TERM
from runner.ledger.terms import TOP, Hasher, purge_terms, values_at
from runner.privacy.keyset import change_keys, make_keys, rotated
from runner.privacy.sealing import Sealer
from tests.ledger.ledgers import record

ADDRESS = "buyer@example.com"


def keep(ledger: Ledger, hasher: Hasher, id: str, value: str, at: float, *, known: bool = True) -> None:
    records = Records()
    if known:
        records.published(HopKey(id, "in"), "POST /pay", at)
    records.found_by(id, hasher.terms([value]), at)
    assert record(ledger, records) is None


def found(ledger: Ledger, hasher: Hasher, value: str, **limits: float) -> list[str]:
    rows = ledger.find_hashed(hasher.candidates(value), since=limits.get("since", 0.0), most=int(limits.get("most", 9)))
    return [message for message, _ in rows]


def test_messages_are_found_by_a_value_the_newest_first(ledger: Ledger) -> None:
    hasher = Hasher(None, ledger.secret)
    for number in (1, 2, 3):
        keep(ledger, hasher, f"m{number}", ADDRESS, 1000.0 + number)
    keep(ledger, hasher, "m1", ADDRESS, 1009.0)  # recorded again, after a crash
    assert found(ledger, hasher, ADDRESS) == ["m3", "m2", "m1"]
    assert found(ledger, hasher, ADDRESS, since=1002.0, most=1) == ["m3"]
    assert found(ledger, hasher, "seller@example.com") == []


def test_a_copy_counts_as_the_message_that_it_came_from(ledger: Ledger) -> None:
    hasher = Hasher(None, ledger.secret)
    keep(ledger, hasher, "m1.2", "ch_1", 1000.0)
    assert found(ledger, hasher, "ch_1") == ["m1"]


@pytest.mark.parametrize("written", ["BUYER@Example.com", " buyer@example.com ", "<buyer@example.com>"])
def test_case_and_brackets_make_no_difference(ledger: Ledger, written: str) -> None:
    hasher = Hasher(None, ledger.secret)
    keep(ledger, hasher, "m1", ADDRESS, 1000.0)
    assert found(ledger, hasher, written) == ["m1"]


def test_with_keys_the_secret_of_the_ledger_finds_nothing(ledger: Ledger, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    keep(ledger, Hasher(Sealer(tmp_path / "keys"), ledger.secret), "m1", ADDRESS, 1000.0)
    assert found(ledger, Hasher(None, ledger.secret), ADDRESS) == []
    with ledger._database.connection() as connection:
        assert all(ADDRESS.encode() not in bytes(row.hash) for row in connection.execute(select(TERM)))


def test_what_was_kept_before_a_rotation_is_found_after_it(ledger: Ledger, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    keep(ledger, Hasher(Sealer(tmp_path / "keys"), b""), "m1", ADDRESS, 1000.0)
    change_keys(tmp_path / "keys", rotated)
    after = Hasher(Sealer(tmp_path / "keys"), b"")
    keep(ledger, after, "m2", ADDRESS, 1001.0)
    assert found(ledger, after, ADDRESS) == ["m2", "m1"]


def test_what_a_message_was_found_by_is_forgotten_with_it(ledger: Ledger) -> None:
    hasher = Hasher(None, ledger.secret)
    keep(ledger, hasher, "m1", ADDRESS, 1000.0)
    keep(ledger, hasher, "gone", ADDRESS, 1001.0, known=False)
    with ledger._database.transaction() as connection:
        after = purge_terms(connection, TOP)
        assert after != TOP
        assert purge_terms(connection, after) == TOP
    assert found(ledger, hasher, ADDRESS) == ["m1"]


def test_fields_lead_through_lists_to_texts_and_numbers_that_are_not_sealed() -> None:
    body = {
        "a": [{"id": "x"}, {"id": 7}, {"id": None}, {"id": True}],
        "b": "sealed.1.k.n.c.m",
        "c": "",
        "d": {"e": 1.5},
    }
    assert list(values_at(body, ["a.id", "b", "c", "d", "d.e", "no.where"])) == [
        ("a.id", "x"),
        ("a.id", "7"),
        ("d.e", "1.5"),
    ]
