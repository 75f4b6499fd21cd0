"""The body of a dead letter, edited at the console."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.audit import read_trail
from runner.console import access, edit
from runner.operations import router_to
from runner.privacy.sealed import PREFIX
from tests.brokers.places import EmbeddedPlace
from tests.console.conftest import Answer, Show, Shown, bury
from tests.console.test_guard import ASKING, Browser

CARD = "4111111111111111"
SCHEMA = {
    "type": "object",
    "properties": {"n": {"type": "integer"}, "card": {"type": "string", "x-sensitive": {"show": "last4"}}},
}
SEALING = ASKING.replace("queues: {orders: {}, bills: {}}", "queues: {orders: {schema: order.json}, bills: {}}")


def hidden(page: str, name: str) -> str:
    value, *_ = re.findall(rf'name="{name}" value="([^"]*)"', page)
    return html.unescape(value)


def written(page: str) -> str:
    [text] = re.findall(r"<textarea[^>]*>\n(.*?)</textarea>", page, re.DOTALL)
    return html.unescape(text)


class Editor:
    """Edits one dead letter."""

    def __init__(self, shown: Shown, token: str = "", id: str = "a") -> None:
        self.browser = Browser(shown)
        if token:
            self.browser.log_in(token)
        self.id = id
        self.page = self.browser.get(f"/dead/edit?queue=orders&id={id}").body

    def post(self, text: str, step: str = "", **more: str) -> Answer:
        form = {"queue": "orders", "id": self.id, "stamp": hidden(self.page, "stamp"), "text": text, "step": step}
        return self.browser.post("/dead/edit", hidden(self.page, "seal"), form | more)


def on(folder: Path, queue: str) -> list[Any]:
    return [json.loads(one.payload) for one in EmbeddedPlace(folder / "broker.db").contents(queue)]


def test_what_was_written_is_checked_planned_and_sent_and_each_step_says_so(shown: Shown, tmp_path: Path) -> None:
    bury(shown, "a", body=b'{"n": "one"}')
    editor = Editor(shown)
    assert json.loads(written(editor.page)) == {"n": "one"}
    assert "It can&#39;t be sent: it is not JSON" in editor.post("{").body
    assert "Nothing is changed." in editor.post('{"n":   "one"}').body
    plan = editor.post('{"n": 1}\r\n').body
    assert "&#34;n&#34;: 1" in plan
    assert on(tmp_path, "orders") == []
    assert read_trail(tmp_path, 9) == []
    assert json.loads(written(editor.post(hidden(plan, "text"), "edit").body)) == {"n": 1}
    assert "Sent again as edited" in editor.post(hidden(plan, "text"), "send", reason="a typing error").body
    assert (on(tmp_path, "orders"), on(tmp_path, "orders.dlq")) == ([{"n": 1}], [])
    [deed] = read_trail(tmp_path, 9)
    assert (deed["deed"], deed["id"], deed["reason"]) == ("edit", "a", "a typing error")


def test_it_goes_to_another_queue_if_that_is_wanted(shown: Shown, tmp_path: Path) -> None:
    bury(shown, "a")
    assert Editor(shown).post('{"n": 1}', "send", to="bills").status == 200
    assert on(tmp_path, "bills") == [{"n": 1}]
    bury(shown, "a")
    assert Editor(shown).post('{"n": 1}', "send", to="nowhere").status == 400


def bury_sealed(shown: Shown) -> None:
    assert shown.loaded.sealer is not None
    shown.loaded.sealer.prepare(production=False)
    routed = router_to(shown.loaded, "orders").route_text(json.dumps({"n": 1, "card": CARD}).encode(), "a")
    assert isinstance(routed, list)
    bury(shown, "a", body=routed[0].payload)


def test_what_is_sealed_stays_sealed_and_a_new_value_is_sealed(show: Show, tmp_path: Path) -> None:
    shown = show(SEALING + "    keys: file:keys\n", {"order.json": SCHEMA})
    bury_sealed(shown)
    editor = Editor(shown, "adas token")
    body = json.loads(written(editor.page))
    assert CARD not in editor.page
    assert body["card"].endswith("1111")
    assert "/card is or holds a mask" in editor.post(json.dumps(body | {"card": body["card"] + "2"})).body
    assert "schema of orders: /n must be" in html.unescape(editor.post(json.dumps(body | {"n": "x"})).body)
    plan = editor.post(json.dumps(body | {"n": 2})).body
    assert (CARD in plan, "1111" in plan) == (False, True)
    assert editor.post(json.dumps(body | {"n": 2}), "send").status == 200
    [sent] = on(tmp_path, "orders")
    assert sent["n"] == 2
    assert sent["card"].startswith(PREFIX)
    assert CARD not in (tmp_path / "var" / "audit.jsonl").read_text()


def test_one_that_has_changed_meanwhile_is_not_written_over(shown: Shown, tmp_path: Path) -> None:
    bury(shown, "a", body=b'{"n": 1}')
    editor = Editor(shown)
    replayed = editor.browser.post("/dead/drop", editor.browser.seal("/dead/drop?id=a"), {"id": "a", "reason": "x"})
    assert replayed.status == 303
    answer = editor.post('{"n": 3}', "send")
    assert (answer.status, written(answer.body)) == (404, '{"n": 3}')
    bury(shown, "a", body=b'{"n": 2}')
    answer = editor.post('{"n": 3}', "send")
    assert (answer.status, "Begin anew" in answer.body) == (409, True)
    assert written(answer.body) == '{"n": 3}'
    assert on(tmp_path, "orders") == []


def test_what_was_written_comes_back_while_the_broker_is_away_and_is_sent_when_it_is_back(
    shown: Shown, tmp_path: Path
) -> None:
    bury(shown, "a")
    editor = Editor(shown)
    (tmp_path / "broker.db").rename(tmp_path / "away.db")
    for step in ("", "send", "edit"):
        answer = editor.post('{"n": 1}', step, to="bills")
        assert (answer.status, "can&#39;t be looked at: " in answer.body) == (503, True)
        assert "<option selected>bills</option>" in answer.body
        assert written(answer.body) == '{"n": 1}'
    (tmp_path / "away.db").rename(tmp_path / "broker.db")
    editor.page = answer.body
    assert editor.post(written(editor.page), "send").status == 200
    assert on(tmp_path, "orders") == [{"n": 1}]


@pytest.mark.parametrize(("missing", "status"), [("id", 404), ("stamp", 409)])
def test_a_form_without_a_field_is_refused(shown: Shown, missing: str, status: int) -> None:
    bury(shown, "a")
    assert Editor(shown).post('{"n": 1}', "send", **{missing: ""}).status == status


def test_who_was_logged_out_meanwhile_still_sees_what_he_has_written(show: Show, tmp_path: Path) -> None:
    shown = show(ASKING)
    bury(shown, "a")
    editor = Editor(shown, "adas token")
    editor.browser.post("/log-out", hidden(editor.page, "seal"))
    answer = editor.post('{"n": 1}', "send")
    assert (answer.status, written(answer.body)) == (403, '{"n": 1}')
    assert on(tmp_path, "orders") == []


def test_whose_session_has_ended_meanwhile_still_sees_what_he_has_written(
    show: Show, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = show(ASKING)
    bury(shown, "a")
    editor = Editor(shown, "adas token")
    monkeypatch.setattr(access, "LIFETIME", -1.0)
    answer = editor.post('{"n": 1}', "send")
    assert (answer.status, written(answer.body)) == (401, '{"n": 1}')
    assert "Your session has ended, and nothing was done." in answer.body
    assert on(tmp_path, "orders") == []


def test_what_another_site_sends_is_not_shown(shown: Shown) -> None:
    bury(shown, "a")
    editor = Editor(shown)
    answer = editor.browser.post("/dead/edit", "", {"text": "theirs"}, **{"Sec-Fetch-Site": "cross-site"})
    assert (answer.status, "theirs" in answer.body) == (403, False)


def test_one_of_several_with_an_id_cannot_be_told_apart_here(shown: Shown) -> None:
    bury(shown, "a", "a")
    answer = Browser(shown).get("/dead/edit?queue=orders&id=a")
    assert (answer.status, "There are 2 of a" in answer.body) == (409, True)
    assert "Edit…" not in shown.ask("/dead/orders/a").body


def test_a_body_that_is_too_long_for_a_form_is_left_to_the_command(
    shown: Shown, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(edit, "LONGEST", 100)
    bury(shown, "a", body=json.dumps({"text": "x" * 100}).encode())
    answer = Browser(shown).get("/dead/edit?queue=orders&id=a")
    assert (answer.status, "use &#39;runner dead edit a&#39;" in answer.body) == (409, True)


def test_the_largest_that_is_edited_comes_back_whole(shown: Shown, tmp_path: Path) -> None:
    """Each of its characters takes nine bytes of a form."""
    text = "…" * (edit.LONGEST - 100)
    bury(shown, "a", body=json.dumps({"text": ""}).encode())
    assert Editor(shown).post(json.dumps({"text": text}, ensure_ascii=False), "send").status == 200
    assert on(tmp_path, "orders") == [{"text": text}]


def test_markup_in_a_body_is_text(shown: Shown) -> None:
    hostile = "</textarea><script>alert(1)</script>\n\"'>"
    bury(shown, "a", body=json.dumps({"x": hostile}).encode())
    editor = Editor(shown)
    assert "<script>alert" not in editor.page
    assert json.loads(written(editor.page)) == {"x": hostile}
    plan = editor.post(json.dumps({"x": hostile, "y": 1})).body
    assert "<script>alert" not in plan
    assert json.loads(hidden(plan, "text")) == {"x": hostile, "y": 1}


def test_only_an_operator_may(show: Show, tmp_path: Path) -> None:
    shown = show(ASKING)
    bury(shown, "a")
    editor = Editor(shown, "adas token")
    viewer = Browser(shown)
    viewer.log_in("bobs token")
    assert "Edit…" not in viewer.get("/dead/orders/a").body
    assert viewer.get("/dead/edit?queue=orders&id=a").status == 403
    form = {"queue": "orders", "id": "a", "stamp": hidden(editor.page, "stamp"), "text": '{"n": 1}', "step": "send"}
    assert viewer.post("/dead/edit", viewer.seal("/"), form).status == 403
    assert on(tmp_path, "orders") == []
    editor.post('{"n": 1}', "send")
    assert [deed["who"] for deed in read_trail(tmp_path, 9)] == ["ada"]
