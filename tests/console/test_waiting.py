"""What waits on a queue, at the console."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.audit import read_trail
from runner.console import dead
from runner.message import Destination, Outgoing
from tests.commands.prompt import run
from tests.console.conftest import PIPELINE, Answer, Show, Shown
from tests.console.test_guard import ASKING, Browser
from tests.waiting import wait_until

PATH = "/queues/orders/waiting"
CARD = "4000000000000119"


def put(shown: Shown, *ids: str, body: bytes = b'{"n": 1}', delay: float = 0.0) -> None:
    failed = {"runner-attempt": 2, "runner-error": "<b>bank</b> is away"} if delay else {}
    wait_until(lambda: shown.broker.available)
    shown.broker.publish([Outgoing(Destination("", "orders"), one, body, failed, delay=delay) for one in ids])


def look(browser: Browser, **which: str) -> str:
    return browser.post(PATH, browser.seal(PATH), which).body


def begin(browser: Browser, deed: str, **form: str) -> Answer:
    return browser.post(f"{PATH}/{deed}", browser.seal(PATH), form)


def done(browser: Browser, answer: Answer, told: str) -> bool:
    return told in browser.get(answer.headers["location"]).body


def left(browser: Browser) -> list[str]:
    page = look(browser)
    return [one for one in ("a", "b", "late") if f'<h2 class="mono">{one}</h2>' in page]


def broker_of(which: str, url: str) -> str:
    return PIPELINE if which == "embedded" else PIPELINE.replace("BROKER", f'"{url}"')


@pytest.fixture(params=["embedded", "rabbitmq"])
def shop(request: pytest.FixtureRequest, show: Show) -> Shown:
    """Two of its orders are ready, one is delayed."""
    url = request.getfixturevalue("vhost_url") if request.param == "rabbitmq" else ""
    shown = show(broker_of(request.param, url))
    put(shown, "a", "b", body=f'{{"card": "{CARD}", "x": "<script>"}}'.encode())
    put(shown, "late", delay=600)
    return shown


def test_they_are_shown_masked_when_somebody_looks_and_stay(shop: Shown) -> None:
    browser = Browser(shop)
    assert "0119" not in browser.get(PATH).body
    page = look(browser)
    assert "ready, attempt 1" in page
    assert "delayed, attempt 3" in page
    assert "failed before: &lt;b&gt;bank&lt;/b&gt; is away" in page
    assert (CARD in page, "0119" in page, '<script>"' in page) == (False, True, False)
    assert left(browser) == ["a", "b", "late"]
    assert '<h2 class="mono">late</h2>' not in look(browser, id="b")
    assert "None of the messages that wait is like that." in look(browser, error="card")


def test_one_is_cancelled_with_a_reason_and_not_without(shop: Shown, tmp_path: Path) -> None:
    browser = Browser(shop)
    plan = browser.post(f"{PATH}/cancel/plan", browser.seal(PATH), {"id": "late"}).body
    assert "Cancel 1 message<" in plan
    assert begin(browser, "cancel", id="late", reason=" ").status == 400
    assert left(browser) == ["a", "b", "late"]
    answer = begin(browser, "cancel", id="late", reason="a test order")
    wait_until(lambda: done(browser, answer, "Cancelled 1 message<"))
    assert left(browser) == ["a", "b"]
    [deed] = read_trail(tmp_path, 9)
    assert (deed["deed"], deed["id"], deed["reason"]) == ("cancel", "late", "a test order")


def test_what_is_drained_lies_in_a_file_that_puts_it_back(shop: Shown, tmp_path: Path) -> None:
    browser = Browser(shop)
    assert "Drain 3 messages" in browser.post(f"{PATH}/drain/plan", browser.seal(PATH)).body
    answer = begin(browser, "drain", reason="a move")
    wait_until(lambda: done(browser, answer, "Drained 3 messages"))
    assert "No messages wait." in look(browser)
    [file] = (tmp_path / "var" / "drained").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert {json.loads(line)["id"] for line in file.read_text().splitlines()} == {"a", "b", "late"}
    assert f"var/drained/{file.name}" in browser.get(answer.headers["location"]).body
    assert run("queue", "fill", "-p", tmp_path / "pipeline.yaml", file).stdout == "put back 3 messages\n"
    assert left(browser) == ["a", "b", "late"]


def test_only_an_operator_looks_for_that_moves_them(show: Show, tmp_path: Path) -> None:
    shown = show(ASKING)
    put(shown, "a")
    viewer, operator = Browser(shown), Browser(shown)
    viewer.log_in("bobs token")
    operator.log_in("adas token")
    assert "What waits…" not in viewer.get("/queues/orders").body
    assert viewer.get(PATH).status == 403
    seal = viewer.seal("/")
    for path in (PATH, f"{PATH}/cancel/plan", f"{PATH}/cancel", f"{PATH}/drain"):
        assert viewer.post(path, seal, {"reason": "x"}).status == 403
    assert left(operator) == ["a"]
    answer = begin(operator, "cancel", id="a", reason="x")
    wait_until(lambda: done(operator, answer, "Cancelled 1 message<"))
    assert [deed["who"] for deed in read_trail(tmp_path, 9)] == ["ada"]


def test_no_page_of_another_site_makes_one_look(shown: Shown) -> None:
    browser = Browser(shown)
    seal = browser.seal(PATH)
    assert browser.post(PATH, "", {}).status == 403
    assert browser.post(PATH, seal, {}, **{"Sec-Fetch-Site": "cross-site"}).status == 403


def test_a_long_body_is_cut(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead, "LONGEST", 100)
    put(shown, "a", body=json.dumps({"text": "x" * 1000}).encode())
    page = look(Browser(shown))
    assert "x" * 101 not in page
    assert "characters in all)" in page


def test_a_queue_that_is_not_there_is_a_404(shown: Shown) -> None:
    assert shown.ask("/queues/nothing/waiting").status == 404


def test_while_another_job_runs_nothing_begins_and_no_file_is_left(
    shown: Shown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(shown, "a")
    browser = Browser(shown)
    monkeypatch.setattr("runner.console.jobs.Jobs.begin", lambda *_, **__: None)
    assert begin(browser, "drain", reason="x").status == 409
    assert begin(browser, "cancel", reason="x").status == 409
    assert list((tmp_path / "var" / "drained").iterdir()) == []


def test_where_nothing_can_be_drained_to_nothing_is(shop: Shown, tmp_path: Path) -> None:
    (tmp_path / "var").mkdir(exist_ok=True)
    (tmp_path / "var" / "drained").write_text("a file where the folder belongs")
    browser = Browser(shop)
    answer = begin(browser, "drain", reason="a test")
    assert (answer.status, "var/drained" in answer.body) == (503, True)
    assert left(browser) == ["a", "b", "late"]
