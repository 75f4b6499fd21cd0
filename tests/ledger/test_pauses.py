"""Stages that an operator has paused, in the ledger."""

from __future__ import annotations

from runner.ledger.ledger import Ledger


def test_a_pause_is_seen_by_every_process_until_it_ends(ledger: Ledger, ledger_url: str) -> None:
    elsewhere = Ledger(ledger_url).open(timeout=30.0)
    assert elsewhere.pauses.all() == {}
    assert ledger.pauses.put("send_email", "the relay is down", "ada")
    [(stage, pause)] = elsewhere.pauses.all().items()
    assert (stage, pause.why, pause.who) == ("send_email", "the relay is down", "ada")
    assert str(pause) == "by ada: the relay is down"
    assert elsewhere.pauses.remove("send_email")
    assert ledger.pauses.all() == {}
    elsewhere.close()


def test_the_first_reason_stays_and_what_is_not_paused_cannot_be_resumed(ledger: Ledger) -> None:
    assert ledger.pauses.put("a", "first", "ada")
    assert not ledger.pauses.put("a", "second", "bob")
    assert ledger.pauses.all()["a"].why == "first"
    assert not ledger.pauses.remove("b")
