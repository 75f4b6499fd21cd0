"""Pausing a stage, at the console."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.audit import read_trail, who
from runner.brokers.registry import connect
from runner.console.guard import LONGEST_REASON
from runner.ledger.ledger import Ledger
from runner.topology import plan
from tests.brokers.plans import Collector
from tests.console.conftest import PIPELINE, Show, Shown
from tests.console.test_guard import ASKING, Browser
from tests.waiting import wait_until

LEDGER = "    ledger: sqlite:ledger.db\n"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(f"sqlite:{tmp_path / 'ledger.db'}")


def opened(shown: Shown) -> Browser:
    browser = Browser(shown)
    wait_until(lambda: shown.served.ready)
    return browser


def test_a_stage_is_paused_with_a_reason_and_resumed(show: Show, ledger: Ledger, tmp_path: Path) -> None:
    browser = opened(show(PIPELINE + LEDGER))
    assert 'href="/queues/orders/pause"' in browser.get("/queues/orders").body
    seal = browser.seal("/queues/orders/pause")
    assert browser.post("/queues/orders/pause", seal, {"reason": " "}).status == 400
    assert browser.post("/queues/orders/pause", seal, {"reason": "the bank is down"}).status == 303
    assert ledger.pauses.all()["check"].why == "the bank is down"
    page = browser.get("/queues/orders").body
    assert f"Paused by {who()}: the bank is down." in page
    assert browser.post("/queues/orders/pause", seal, {"reason": "again"}).status == 409
    assert browser.post("/queues/orders/resume", seal).status == 303
    assert ledger.pauses.all() == {}
    assert browser.post("/queues/orders/resume", seal).status == 409
    assert [(deed["deed"], deed["stage"], deed["reason"]) for deed in read_trail(tmp_path, 9)] == [
        ("resume", "check", ""),
        ("pause", "check", "the bank is down"),
    ]


def test_why_it_is_paused_is_told_once(show: Show) -> None:
    shown = show(PIPELINE + LEDGER)
    browser = opened(shown)
    browser.post("/queues/orders/pause", browser.seal("/queues/orders/pause"), {"reason": "the bank is down"})
    worker = connect(shown.loaded.pipeline, "worker")
    worker.start(plan(shown.loaded.pipeline))
    worker.consume("orders", 1, Collector())
    worker.cancel("orders", pausing=f"by {who()}: the bank is down")
    wait_until(lambda: f"1 paused by {who()}: the bank is down" in browser.get("/queues/orders").body)
    page = browser.get("/queues/orders").body
    assert page.count("the bank is down") == 1
    assert "<button>Resume</button>" in page
    worker.close()


def test_only_an_operator_may(show: Show, ledger: Ledger) -> None:
    browser = opened(show(ASKING + LEDGER))
    browser.log_in("bobs token")
    assert "/pause" not in browser.get("/queues/orders").body
    assert browser.get("/queues/orders/pause").status == 403
    assert browser.post("/queues/orders/pause", browser.seal("/"), {"reason": "x"}).status == 403
    assert ledger.pauses.all() == {}


def test_a_long_reason_is_masked_before_it_is_cut(show: Show, ledger: Ledger) -> None:
    browser = opened(show(PIPELINE + LEDGER))
    why = "x" * (LONGEST_REASON - 10) + " 4242424242424242"
    assert browser.post("/queues/orders/pause", browser.seal("/queues/orders/pause"), {"reason": why}).status == 303
    assert ledger.pauses.all()["check"].why.endswith("x ••••4242")


def test_without_a_ledger_nothing_can_be_paused(shown: Shown) -> None:
    assert "Pause…" not in shown.ask("/queues/orders").body
    assert shown.ask("/queues/orders/pause").status == 404
