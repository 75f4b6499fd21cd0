"""Copies on a renamed queue: what is remembered of them holds under the new name."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import KeysError
from runner.ledger.hops import HopKey, Records
from runner.ledger.ledger import Ledger
from runner.ledger.once import opened_result, sealed_result
from runner.ledger.renaming import rename
from runner.privacy.keyset import make_keys
from runner.privacy.sealing import Sealer
from tests.ledger.ledgers import judge, record, settled

FORMER, NOW = HopKey("m1", "former"), HopKey("m1", "now")


def test_what_is_done_or_was_begun_is_not_new_under_the_new_name(ledger: Ledger, ledger_url: str) -> None:
    record(ledger, settled(FORMER, result=b"[]"))
    judge(ledger, HopKey("m2", "former"))
    judge(ledger, HopKey("m3", "other"))
    rename(ledger_url, "former", "now", None)
    [done] = judge(ledger, NOW)
    assert (done.standing, done.result) == ("finished", b"[]")
    assert [one.standing for one in judge(ledger, HopKey("m2", "now"))] == ["held"]
    assert [one.standing for one in judge(ledger, HopKey("m3", "now"))] == ["new"]


def test_a_sealed_result_opens_under_the_new_name(ledger: Ledger, ledger_url: str, tmp_path: Path) -> None:
    make_keys(tmp_path / "keys")
    sealer = Sealer(tmp_path / "keys")
    record(ledger, settled(FORMER, result=sealed_result(b'["secret"]', FORMER, sealer)))
    with pytest.raises(KeysError):
        rename(ledger_url, "former", "now", None)
    rename(ledger_url, "former", "now", sealer)
    [done] = judge(ledger, NOW)
    assert b"secret" not in done.result
    assert opened_result(done.result, NOW, sealer) == b'["secret"]'


def test_a_copy_that_is_known_under_both_names_stays_as_it_is(ledger: Ledger, ledger_url: str) -> None:
    both = Records()
    for one in (settled(FORMER, result=b"[1]"), settled(NOW, result=b"[2]")):
        both.add(one)
    record(ledger, both)
    rename(ledger_url, "former", "now", None)
    assert [one.result for one in judge(ledger, FORMER)] == [b"[1]"]
    assert [one.result for one in judge(ledger, NOW)] == [b"[2]"]


def test_each_former_name_is_known_with_that_of_today(ledger: Ledger, ledger_url: str) -> None:
    for former, now in (("a", "b"), ("x", "y"), ("b", "c"), ("b", "c")):
        rename(ledger_url, former, now, None)
    again = Ledger(ledger_url).open(timeout=30.0)
    again.close()
    assert again.renamed == {"a": "c", "b": "c", "x": "y"}
    rename(ledger_url, "c", "a", None)
    again = Ledger(ledger_url).open(timeout=30.0)
    again.close()
    assert again.renamed == {"b": "a", "c": "a", "x": "y"}


def test_more_results_than_are_in_memory_at_a_time(
    ledger: Ledger, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.ledger.renaming.PAGE", 2)
    for number in range(5):
        record(ledger, settled(HopKey(f"m{number}", "former"), result=b"[]"))
    rename(ledger_url, "former", "now", None)
    keys = [HopKey(f"m{number}", "now") for number in range(5)]
    assert {one.standing for one in judge(ledger, *keys)} == {"finished"}


def test_without_a_file_nothing_is_made(tmp_path: Path) -> None:
    rename(f"sqlite:{tmp_path / 'ledger.db'}", "former", "now", None)
    assert list(tmp_path.iterdir()) == []
