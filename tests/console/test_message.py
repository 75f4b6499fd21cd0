"""What became of a message."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path

from runner.audit import Trail
from runner.brokers.base import Shelved
from runner.deadletters import read
from runner.engine import Engine
from runner.ledger.ledger import Ledger
from tests.console.conftest import PIPELINE, Show, Shown
from tests.pipelines import loaded
from tests.waiting import wait_until

HTTP = '    http: {listen: "127.0.0.1:0", routes: {POST /orders: {publish: orders, status: "/orders/{id}"}}}\n'
TEXT = PIPELINE + "    ledger: sqlite:ledger.db\n" + HTTP


def order(folder: Path) -> str:
    """Take one, and let it be handled; its id."""
    with Engine(loaded(folder, TEXT), timeout=30) as engine:
        request = urllib.request.Request(f"{engine.url}/orders", b'{"n": 1}', {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            made = str(json.load(answer)["id"])
        ledger = Ledger(f"sqlite:{folder / 'ledger.db'}")
        wait_until(lambda: (journey := ledger.journey(made)) is not None and journey.standing == "dead")
        return made


def test_its_way_is_told_from_the_request_to_the_last_stage(show: Show, tmp_path: Path) -> None:
    made = order(tmp_path)
    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    answer = shown.ask(f"/messages?id={made}")
    assert (answer.status, answer.headers["location"]) == (303, f"/messages/{made}")
    page = shown.ask(f"/messages/{made}").body
    assert "by POST /orders" in page
    assert re.search(r"dead</strong> by check, on <a href=\"/queues/orders\">orders</a>, attempt 1", page)
    assert "a forgotten return?" in page
    assert f'href="/dead/orders/{made}"' in page
    Trail(tmp_path, "replay", "mended", by="ada").write(read("orders", Shelved(made, b"{}", {}, 0)), "orders")
    assert re.search(r"replay</strong> by ada: mended", shown.ask(f"/messages/{made}").body)


def test_one_that_nobody_knows_is_a_404_and_nonsense_is_told_so(show: Show) -> None:
    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    assert shown.ask("/messages/nobody").status == 404
    assert "This is no message's id." in shown.ask("/messages?id=a%20b%00").body


def test_without_a_ledger_there_is_no_page(shown: Shown) -> None:
    assert shown.ask("/messages").status == 404
    assert "Messages</a>" not in shown.ask("/").body
