"""A stage, paused by an operator."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.audit import Trail, read_trail
from runner.errors import LedgerAwayError
from runner.ledger.ledger import Ledger
from runner.pausing import pause, resume
from runner.pipeline import Stage

STAGE = Stage("send", "mails", "m:f")


def test_what_is_paused_and_resumed_is_written_down_once(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open(timeout=30.0)
    paused, resumed = (Trail(tmp_path, deed, "the relay is down", by="ada") for deed in ("pause", "resume"))
    assert pause(ledger, paused, STAGE)
    assert not pause(ledger, paused, STAGE)
    assert ledger.pauses.all()["send"].who == "ada"
    assert resume(ledger, resumed, STAGE)
    assert not resume(ledger, resumed, STAGE)
    assert [(deed["deed"], deed["stage"], deed["queue"]) for deed in read_trail(tmp_path, 9)] == [
        ("resume", "send", "mails"),
        ("pause", "send", "mails"),
    ]
    ledger.close()


def test_what_could_not_be_done_is_written_down_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open(timeout=30.0)

    def fail(*_: str) -> bool:
        raise LedgerAwayError("the disk is full")

    monkeypatch.setattr(ledger.pauses, "put", fail)
    with pytest.raises(LedgerAwayError):
        pause(ledger, Trail(tmp_path, "pause", "a test", by="ada"), STAGE)
    monkeypatch.setattr(ledger.pauses, "put", lambda *_: False)
    assert not pause(ledger, Trail(tmp_path, "pause", "a test", by="bob"), STAGE), "another was faster"
    assert [(deed["who"], deed.get("failed")) for deed in reversed(read_trail(tmp_path, 9))] == [
        ("ada", None),
        ("ada", "the disk is full"),
        ("bob", None),
        ("bob", "somebody else has done it"),
    ]
    ledger.close()


def test_a_card_number_in_a_reason_is_masked_for_everybody(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open(timeout=30.0)
    assert pause(ledger, Trail(tmp_path, "pause", "4000000000000119 was charged twice"), STAGE)
    assert "4000000000000119" not in str(ledger.pauses.all()["send"])
    ledger.close()
