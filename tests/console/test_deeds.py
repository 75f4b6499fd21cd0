"""What an operator does to dead letters."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from runner.audit import read_trail
from runner.console.jobs import Jobs
from runner.intake.connections import open_files
from tests.console.conftest import PIPELINE, Show, Shown, bury
from tests.console.test_guard import ASKING, Browser
from tests.waiting import wait_until


def dead_of(shown: Shown) -> int:
    return shown.broker.depths(["orders"])["orders"].dead


def test_a_plan_says_what_would_happen_and_changes_nothing(shown: Shown) -> None:
    bury(shown, "a", "b")
    page = shown.ask("/dead/replay?queue=orders").body
    assert "Replay 2 dead letters" in page
    assert "where they failed" in page
    assert "Drop 1 dead letter<" in shown.ask("/dead/drop?id=a").body
    assert "Nothing to replay." in shown.ask("/dead/replay?id=nobody").body
    assert dead_of(shown) == 2


def test_what_is_replayed_leaves_the_dead_letters_and_is_written_down(shown: Shown, tmp_path: Path) -> None:
    bury(shown, "a", "b")
    browser = Browser(shown)
    seal = browser.seal("/dead/replay?id=a")
    answer = browser.post("/dead/replay", seal, {"id": "a", "to": "bills", "reason": "mended"})
    assert answer.status == 303
    wait_until(lambda: "Replayed 1 dead letter<" in browser.get(answer.headers["location"]).body)
    assert dead_of(shown) == 1
    assert shown.broker.depths(["bills"])["bills"].ready == 1
    [deed] = read_trail(tmp_path, 9)
    assert (deed["deed"], deed["id"], deed["to"], deed["reason"]) == ("replay", "a", "bills", "mended")


def test_on_rabbitmq_it_is_the_same(show: Show, vhost_url: str) -> None:
    shown = show(PIPELINE.replace("BROKER", f'"{vhost_url}"'))
    bury(shown, "a", "b", error="order 17 is refused")
    browser = Browser(shown)
    assert "order … is refused" in browser.get("/dead").body
    assert "Replay 2 dead letters" in browser.get("/dead/replay?queue=orders").body
    seal = browser.seal("/dead/replay?id=a")
    answer = browser.post("/dead/replay", seal, {"id": "a"})
    wait_until(lambda: "Replayed 1 dead letter<" in browser.get(answer.headers["location"]).body)
    wait_until(lambda: dead_of(shown) == 1)
    wait_until(lambda: 'data-live="queue.orders.dead">1<' in browser.get("/").body)


def test_a_drop_wants_a_reason(shown: Shown, tmp_path: Path) -> None:
    bury(shown, "a")
    browser = Browser(shown)
    seal = browser.seal("/dead/drop?id=a")
    assert browser.post("/dead/drop", seal, {"id": "a", "reason": " "}).status == 400
    assert dead_of(shown) == 1
    assert browser.post("/dead/drop", seal, {"id": "a", "reason": "a test"}).status == 303
    wait_until(lambda: dead_of(shown) == 0)
    assert [deed["reason"] for deed in read_trail(tmp_path, 9)] == ["a test"]


def test_a_reason_is_no_longer_than_the_form_takes(shown: Shown, tmp_path: Path) -> None:
    """It is written down for each of what may be thousands."""
    bury(shown, "a")
    browser = Browser(shown)
    browser.post("/dead/drop", browser.seal("/dead/drop?id=a"), {"id": "a", "reason": "x" * 100_000})
    wait_until(lambda: dead_of(shown) == 0)
    assert [deed["reason"] for deed in read_trail(tmp_path, 9)] == ["x" * 500]


def test_only_an_operator_may_and_is_named_in_the_audit_trail(show: Show, tmp_path: Path) -> None:
    shown = show(ASKING)
    bury(shown, "a")
    viewer, operator = Browser(shown), Browser(shown)
    viewer.log_in("bobs token")
    assert "Replay…" not in viewer.get("/dead").body
    assert viewer.get("/dead/replay?id=a").status == 403
    assert viewer.post("/dead/drop", viewer.seal("/"), {"id": "a", "reason": "x"}).status == 403
    assert dead_of(shown) == 1
    operator.log_in("adas token")
    assert "Replay…" in operator.get("/dead").body
    operator.post("/dead/drop", operator.seal("/dead/drop?id=a"), {"id": "a", "reason": "x"})
    wait_until(lambda: dead_of(shown) == 0)
    assert [deed["who"] for deed in read_trail(tmp_path, 9)] == ["ada"]
    assert re.search(r"ada</td>.*drop", operator.get("/audit").body, re.DOTALL)


def test_a_console_that_ends_ends_its_jobs_first(show: Show, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Jobs] = []

    def end(jobs: Jobs) -> None:
        ended.append(jobs)

    monkeypatch.setattr(Jobs, "end", end)
    show().served.stop()
    assert len(ended) == 1


def test_a_job_that_nobody_remembers_is_a_404(shown: Shown) -> None:
    assert shown.ask("/jobs/7").status == 404


def test_a_queue_that_is_not_there_is_no_target(shown: Shown) -> None:
    assert shown.ask("/dead/replay?to=nowhere").status == 400


def test_a_deed_leaves_no_file_open(show: Show) -> None:
    shown = show(PIPELINE + "    ledger: sqlite:ledger.db\n")
    browser = Browser(shown)

    def drop(letter: str) -> None:
        bury(shown, letter)
        browser.post("/dead/drop", browser.seal(f"/dead/drop?id={letter}"), {"id": letter, "reason": "a test"})
        wait_until(lambda: dead_of(shown) == 0)

    drop("a")
    before = open_files()
    for letter in "bcdef":
        drop(letter)
    wait_until(lambda: open_files() <= before)
