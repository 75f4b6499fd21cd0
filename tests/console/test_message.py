"""What became of a message."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest

from runner.audit import Trail
from runner.brokers.base import Shelved
from runner.console import message
from runner.deadletters import read
from runner.engine import Engine
from runner.errors import LedgerError
from runner.ledger.ledger import Ledger
from tests.console.conftest import PIPELINE, Show, Shown
from tests.pipelines import loaded
from tests.waiting import wait_until

ROUTE = '{publish: orders, status: "/orders/{id}", find: [user]}'
HTTP = f'    http: {{listen: "127.0.0.1:0", routes: {{POST /orders: {ROUTE}}}}}\n'
TEXT = PIPELINE + "    ledger: sqlite:ledger.db\n" + HTTP


def order(folder: Path) -> str:
    """Take one, and let it be handled; its id."""
    with Engine(loaded(folder, TEXT), timeout=30) as engine:
        body = b'{"n": 1, "user": "ada@example.com"}'
        request = urllib.request.Request(f"{engine.url}/orders", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            made = str(json.load(answer)["id"])
        ledger = Ledger(f"sqlite:{folder / 'ledger.db'}")
        wait_until(lambda: (journey := ledger.journey(made)) is not None and journey.standing == "dead")
        return made


def test_its_way_is_told_from_the_request_to_the_last_stage(show: Show, tmp_path: Path) -> None:
    made = order(tmp_path)
    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    answer = shown.ask(f"/messages?what={made}")
    assert (answer.status, answer.headers["location"]) == (303, f"/messages/{made}")
    page = shown.ask(f"/messages/{made}").body
    assert "<strong>accepted</strong> by POST /orders" in page
    assert '<strong>given up</strong> by check, <a href="/queues/orders">orders</a>' in page
    assert "a forgotten return?" in page
    assert f'href="/dead/orders/{made}"' in page
    Trail(tmp_path, "replay", "mended", by="ada").write(read("orders", Shelved(made, b"{}", {}, 0)), "orders")
    page = shown.ask(f"/messages/{made}").body
    assert page.index("given up") < page.index("<strong>replayed</strong> by ada") < page.index("reason: mended")


def test_one_is_found_by_what_a_person_knows_of_it(show: Show, tmp_path: Path) -> None:
    made = [order(tmp_path), order(tmp_path)]
    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    page = shown.ask("/messages?what=ada@example.com").body
    assert all(f'href="/messages/{one}"' in page for one in made)
    assert "Nothing is known of bob@example.com." in shown.ask("/messages?what=bob@example.com").body
    assert "user of POST /orders" in page, "it says where it looks"


@pytest.mark.parametrize("id", ["nobody", "a%00b", "%0A", "x" * 3000])
def test_one_that_nobody_knows_is_a_404(show: Show, id: str) -> None:
    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    assert shown.ask(f"/messages/{id}").status == 404
    assert shown.ask(f"/messages?what={id}").status == 200


def test_without_a_ledger_there_is_no_page(shown: Shown) -> None:
    assert shown.ask("/messages").status == 404
    assert "Messages</a>" not in shown.ask("/").body


def test_where_the_ledger_fails_while_it_is_asked_that_is_told(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise LedgerError("terminating connection")

    shown = show(TEXT)
    wait_until(lambda: shown.served.ready)
    for name, path in (("search", "/messages?what=x"), ("history", "/messages/x")):
        monkeypatch.setattr(message, name, fails)
        answer = shown.ask(path)
        assert answer.status == 503
        assert "This can&#39;t be looked up: terminating connection. Try again in a moment." in answer.body
