"""What the chaos test calls lost: so that its silence means something."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.brokers.embedded.broker import EmbeddedBroker
from runner.config.loader import load
from runner.message import Destination, Outgoing, new_id
from runner.topology import plan
from tests.chaos import __main__ as chaos
from tests.chaos.brokers import EmbeddedGround
from tests.chaos.house import ROOT, House


def test_a_payment_without_a_mail_that_is_not_in_the_dead_letters_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chaos, "SETTLING", 0.1)
    ground = EmbeddedGround(tmp_path)
    house = House(tmp_path, ground.url, ground.outside)
    mailed, dead, lost = (new_id() for _ in range(3))
    mails = tmp_path / "var/mailbox/new"
    mails.mkdir(parents=True)
    (mails / "1.mailbox").write_text(f"Return-Path: <a@b.example>\nMessage-ID: <{mailed}.paid@example.com>\n\n{lost}\n")
    broker = EmbeddedBroker(tmp_path / "var/broker.db", "test")
    broker.start(plan(load(ROOT / "pipeline.yaml").pipeline), timeout=30)
    broker.publish([Outgoing(Destination("", "payment_queue.dlq"), dead, b"{}")])
    broker.close()
    assert chaos._account(house, {mailed, dead, lost}, chaos.Diary()) == {lost}
    assert f"lost: {lost}\n" in capsys.readouterr().out
