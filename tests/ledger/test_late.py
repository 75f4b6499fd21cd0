"""A late answer that has come is remembered by its message's id, once, for whoever asks."""

from __future__ import annotations

from runner.ledger.hops import Records
from runner.ledger.late import Outcome
from runner.ledger.ledger import Ledger
from tests.waiting import wait_until


def come(ledger: Ledger, report: str, *of: str) -> None:
    told = [Outcome(message, "paid") for message in of]
    ledger.tell(report, told, lambda _verdicts: Records(), lambda _verdicts, _error: None, is_late=True)


def test_a_late_answer_is_known_by_every_process_from_when_it_has_come(ledger_url: str) -> None:
    ledger, other = Ledger(ledger_url).open(timeout=30.0), Ledger(ledger_url).open(timeout=30.0)
    try:
        assert not ledger.late_answer_came("m1")
        come(ledger, "e1", "m2", "m1")
        come(other, "e2", "m1")
        wait_until(lambda: other.late_answer_came("m1") and ledger.late_answer_came("m2"))
        assert not ledger.late_answer_came("m3")
    finally:
        ledger.close()
        other.close()
