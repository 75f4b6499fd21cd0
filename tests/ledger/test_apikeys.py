"""API keys in the ledger: made once, known by their hash, and followed by every intake."""

from __future__ import annotations

import pytest

from runner.errors import LedgerAwayError
from runner.ledger import apikeys
from runner.ledger.apikeys import PREFIX, ApiKeys, KeyRing
from runner.ledger.database import Database
from runner.ledger.ledger import Ledger
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apikeys, "EVERY", 0.01)


def test_a_key_is_known_by_its_hash_only(ledger: Ledger) -> None:
    key, added = ledger.api_keys.add("shop", None)
    assert key.startswith(PREFIX)
    assert len(key) == len(PREFIX) + 43
    assert key not in str(ledger.api_keys.all())
    assert [(known.id, known.caller) for known in ledger.api_keys.all()] == [(added.id, "shop")]


def test_every_process_hears_of_new_and_of_revoked_keys(ledger: Ledger, ledger_url: str) -> None:
    elsewhere = Ledger(ledger_url).open(timeout=30.0)
    ring = elsewhere.key_ring()
    key, added = ledger.api_keys.add("shop", None)
    other, _ = ledger.api_keys.add("shop", None)
    wait_until(lambda: ring.caller(key) == ring.caller(other) == "shop")
    ledger.api_keys.revoke(added)
    wait_until(lambda: ring.caller(key) is None)
    assert ring.caller(other) == "shop"
    elsewhere.close()


@pytest.mark.parametrize("key", ["", PREFIX, f"{PREFIX}x", "\x00", "\udcff", "ä" * 300])
def test_any_other_text_opens_nothing(ledger: Ledger, key: str) -> None:
    ledger.api_keys.add("shop", None)
    ring = ledger.key_ring()
    wait_until(lambda: not ring.away)
    assert ring.caller(key) is None


def test_a_key_expires(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    key, added = ledger.api_keys.add("shop", 60.0)
    ring = ledger.key_ring()
    wait_until(lambda: ring.caller(key) == "shop")
    assert added.expires_at is not None
    later = added.expires_at
    monkeypatch.setattr("runner.ledger.apikeys.time.time", lambda: later)
    assert ring.caller(key) is None


def test_when_a_key_was_used_last_is_known(ledger: Ledger) -> None:
    key, _ = ledger.api_keys.add("shop", None)
    ledger.api_keys.add("other", None)
    ring = ledger.key_ring()
    wait_until(lambda: ring.caller(key) == "shop")
    wait_until(lambda: ledger.api_keys.all()[0].used_at is not None)
    first, second = ledger.api_keys.all()
    assert first.used_at is not None
    assert first.used_at >= first.created_at
    assert second.used_at is None


def test_without_the_ledger_what_was_heard_of_holds_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    class Once(ApiKeys):
        asked = 0

        def all(self) -> list[apikeys.ApiKey]:
            self.asked += 1
            if self.asked > 1:
                raise LedgerAwayError("no connection")
            return []

    once = Once(Database("sqlite:unused.db"))
    ring = KeyRing(once)
    ring.follow(lambda _: once.asked == 2)
    assert ring.away == ""
    monkeypatch.setattr(apikeys, "STALE", 0.0)
    assert ring.away == "no connection"
