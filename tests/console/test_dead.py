"""The dead letters, to look at."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from runner.audit import read_trail
from runner.console import dead
from runner.console.access import hash_of
from runner.console.dead import looking
from runner.message import FIRST_ERROR, FIRST_STAGE, Destination, Outgoing
from runner.operations import router_to
from tests.console.conftest import Show, Shown, bury
from tests.console.test_guard import ASKING, TOKENS, Browser

CARD = "4111111111111111"


def test_they_are_grouped_by_kind_of_error_and_each_opens(shown: Shown) -> None:
    assert "No dead letters." in shown.ask("/dead").body
    bury(shown, "a", "b", error="order 17 is refused")
    bury(shown, "c", error="<b>boom</b>")
    page = shown.ask("/dead").body
    assert "order … is refused" in page
    assert "&lt;b&gt;boom&lt;/b&gt;" in page
    assert 'href="/dead/orders/b"' in page
    opened = shown.ask("/dead/orders/b").body
    assert "order 17 is refused" in opened
    assert "ada" not in shown.ask("/dead?id=c").body
    assert "None of the dead letters is like that." in shown.ask("/dead?error=nothing").body


def test_those_of_one_kind_are_listed_one_by_one_the_newest_first(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    bury(shown, "a", "b", "c", error="order 17 is refused")
    bury(shown, "d", error="no money")
    page = shown.ask("/dead").body
    assert 'href="/dead/orders/a"' not in page, "only the newest of a kind"
    (kind,) = re.findall(r'href="([^"]+)" aria-label="3 dead letters: list them"', page)
    page = shown.ask(html.unescape(kind)).body
    listed = page[page.index("One by one") :]
    assert re.findall(r'href="/dead/orders/(\w)"', listed) == ["c", "b", "a"]
    monkeypatch.setattr(dead, "MOST_LISTED", 2)
    page = shown.ask("/dead?queue=orders").body
    listed = page[page.index("One by one") :]
    assert re.findall(r'href="/dead/orders/(\w)"', listed) == ["d", "c"]
    assert "These are the newest 2 of 4." in listed


def test_card_numbers_are_masked(shown: Shown) -> None:
    bury(shown, "a", error="card 4111111111111111 is refused", body=b'{"card": "4111111111111111"}')
    for path in ("/dead", "/dead/orders/a"):
        page = shown.ask(path).body
        assert "4111111111111111" not in page
        assert "1111" in page


@pytest.mark.parametrize("path", ["/dead?queue=order", "/dead/order/a", "/dead/drop?queue=order"])
def test_a_queue_that_is_not_in_the_file_is_not_there(shown: Shown, path: str) -> None:
    answer = shown.ask(path)
    assert answer.status == 404
    assert "there is no queue &#39;order&#39; (did you mean &#39;orders&#39;?)" in answer.body


def test_the_first_error_is_shown_where_a_later_one_is_another(shown: Shown) -> None:
    first = {"runner-error": "gave up", FIRST_ERROR: "the bank was down", FIRST_STAGE: "pay"}
    shown.broker.publish([Outgoing(Destination("", "orders.dlq"), "a", b"{}", first)])
    page = shown.ask("/dead/orders/a").body
    assert "the bank was down" in page
    assert "at pay" in page


def test_one_that_is_gone_is_a_404(shown: Shown) -> None:
    answer = shown.ask("/dead/orders/nobody")
    assert answer.status == 404
    assert "it may have been replayed or dropped" in answer.body


@pytest.mark.parametrize("id", ["2026/17", "a?b", "a%2Fb", "a#b", "a b"])
def test_one_opens_whatever_its_id_holds(shown: Shown, id: str) -> None:
    """Another program's may hold anything."""
    bury(shown, id, error="it is refused")
    [link] = re.findall(r'href="(/dead/orders/[^"]+)"', shown.ask("/dead").body)
    assert "it is refused" in shown.ask(link).body


def test_a_page_that_looks_for_long_holds_up_no_other_for_ever(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.console.dead.PATIENCE", 0.01)
    with looking():
        answer = shown.ask("/dead")
    assert (answer.status, "Another page still looks" in answer.body) == (503, True)
    assert shown.ask("/dead").status == 200


SEALED = """
    keys: file:keys
    queues: {orders: {schema: order.json}, bills: {}}
"""
SCHEMA = {"properties": {"card": {"type": "string", "x-sensitive": {"show": "last4"}}}}


@pytest.fixture
def sealed(show: Show) -> Shown:
    """A console with tokens, whose dead letter `a` has a sealed card."""
    text = ASKING.replace("    queues: {orders: {}, bills: {}}\n", SEALED)
    text = text.replace(TOKENS, TOKENS + f'        eve: {{hash: "{hash_of("eves token")}", roles: [revealer]}}\n')
    shown = show(text, {"order.json": SCHEMA})
    assert shown.loaded.sealer is not None
    shown.loaded.sealer.prepare(production=False)
    messages = router_to(shown.loaded, "orders").route_text(json.dumps({"card": CARD}).encode(), "a")
    assert isinstance(messages, list)
    bury(shown, "a", error="it failed", body=messages[0].payload)
    return shown


def test_a_sealed_field_is_opened_by_a_revealer_with_a_reason_and_that_is_written_down(
    sealed: Shown, tmp_path: Path
) -> None:
    eve = Browser(sealed)
    eve.log_in("eves token")
    page = eve.get("/dead/orders/a").body
    assert CARD not in page
    assert "<option>card</option>" in page
    seal = eve.seal("/dead/orders/a")
    assert eve.post("/dead/orders/a", seal, {"field": "card", "reason": ""}).status == 400
    opened = eve.post("/dead/orders/a", seal, {"field": "card", "reason": "a chargeback"})
    assert CARD in opened.body
    assert opened.headers["cache-control"] == "no-store"
    [deed] = read_trail(tmp_path, 9)
    assert (deed["who"], deed["deed"], deed["field"], deed["reason"]) == ("eve", "reveal", "card", "a chargeback")
    assert CARD not in str(deed)
    assert eve.post("/dead/orders/a", seal, {"field": "user", "reason": "x"}).status == 503


@pytest.mark.parametrize("token", ["adas token", "bobs token"])
def test_nobody_else_opens_one(sealed: Shown, token: str, tmp_path: Path) -> None:
    browser = Browser(sealed)
    browser.log_in(token)
    assert "Open a sealed field" not in browser.get("/dead/orders/a").body
    answer = browser.post("/dead/orders/a", browser.seal("/"), {"field": "card", "reason": "x"})
    assert answer.status == 403
    assert CARD not in answer.body
    assert read_trail(tmp_path, 9) == []


def test_where_nothing_is_sealed_a_revealer_is_told_so(sealed: Shown) -> None:
    bury(sealed, "b", body=b"no JSON")
    eve = Browser(sealed)
    eve.log_in("eves token")
    seal = eve.seal("/")
    answer = eve.post("/dead/orders/b", seal, {"field": "card", "reason": "x"})
    assert "the body has no sealed field card" in answer.body


def test_without_keys_nothing_can_be_opened(show: Show) -> None:
    eve = Browser(show(ASKING.replace("bob: {", "bob: {roles: [revealer], ")))
    eve.log_in("bobs token")
    answer = eve.post("/dead/orders/a", eve.seal("/"), {"field": "card", "reason": "x"})
    assert (answer.status, "This pipeline has no keys" in answer.body) == (404, True)
