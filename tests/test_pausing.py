"""A stage, paused by an operator."""

from __future__ import annotations

from pathlib import Path

from runner.audit import Trail, read_trail
from runner.ledger.ledger import Ledger
from runner.pausing import pause, resume
from runner.pipeline import Stage

STAGE = Stage("send", "mails", "m:f")


def test_what_is_paused_and_resumed_is_written_down_once(tmp_path: Path) -> None:
    ledger = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open(timeout=30.0)
    paused, resumed = (Trail(tmp_path, deed, "the relay is down", by="ada") for deed in ("pause", "resume"))
    assert pause(ledger, paused, STAGE, "the relay is down", "ada")
    assert not pause(ledger, paused, STAGE, "again", "bob")
    assert ledger.pauses.all()["send"].who == "ada"
    assert resume(ledger, resumed, STAGE)
    assert not resume(ledger, resumed, STAGE)
    assert [(deed["deed"], deed["stage"], deed["queue"]) for deed in read_trail(tmp_path, 9)] == [
        ("resume", "send", "mails"),
        ("pause", "send", "mails"),
    ]
    ledger.close()
