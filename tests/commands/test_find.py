"""What `runner find` finds, and what it says when it finds nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.ledger import Ledger
from runner.ledger.terms import Hasher
from tests.commands.prompt import run
from tests.ledger.ledgers import record

PIPELINE = """
name: shop
ledger: sqlite:ledger.db
queues: {orders: {}, mails: {}}
http: {routes: {POST /orders: {publish: orders, find: [user]}}}
stages:
  charge: {consume: orders, handler: "tests.config.handlers:take", publish: mails, record: {payment: /kind}}
  mail: {consume: mails, handler: "tests.config.handlers:take", find: [messageId]}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    return file


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """Two orders of one buyer: the older waits for its mail."""
    with_journeys = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open()
    now, records = time.time(), Records()
    hasher = Hasher(None, with_journeys.secret)
    for order, at in (("m1", now - 7200), ("m2", now)):
        charged, mailed = HopKey(order, "orders"), HopKey(order, "mails")
        records.published(charged, "POST /orders", at)
        records.found_by(order, hasher.terms(["buyer@example.com"]), at)
        records.settled(Settled(charged, "handled", "charge", 1, at + 1))
        records.published(mailed, "charge", at + 1)
        records.recorded(order, "payment", '"paid"', at)
    waiting = Settled(HopKey("m1", "mails"), "waiting", "mail", 2, now, now + 60, "[bold]greylisted\x1b[31m")
    records.settled(waiting)
    assert record(with_journeys, records) is None
    yield with_journeys
    with_journeys.close()


@pytest.mark.usefixtures("ledger")
def test_one_message_is_told_from_the_request_to_where_it_waits_and_why(pipeline: Path) -> None:
    shown = run("find", "m1", "-p", str(pipeline)).output
    assert shown.startswith("m1: waiting\n  payment  paid\n")
    assert "accepted by POST /orders" in shown
    assert "to be tried again by mail at attempt 2 (mails)" in shown
    assert "[bold]greylisted" in shown
    assert "next attempt at" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize("what", ["buyer@example.com", "Buyer@Example.COM", "payment=paid", 'payment="paid"', "paid"])
def test_several_messages_are_listed_the_newest_first(pipeline: Path, what: str) -> None:
    listed = run("find", what, "-p", str(pipeline)).output
    assert 0 < listed.index("m2") < listed.index("m1")
    assert "2 messages, the newest first" in listed


@pytest.mark.usefixtures("ledger")
def test_how_far_and_how_many_can_be_said(pipeline: Path) -> None:
    assert run("find", "buyer@example.com", "--since", "1h", "-p", str(pipeline)).output.startswith("m2: ")
    assert run("find", "payment=paid", "--limit", "1", "-p", str(pipeline)).output.startswith("m2: ")


@pytest.mark.usefixtures("ledger")
def test_for_a_program_it_is_a_list_of_whole_histories(pipeline: Path) -> None:
    newest, oldest = json.loads(run("find", "buyer@example.com", "--format", "json", "-p", str(pipeline)).stdout)
    assert (newest["id"], oldest["id"], oldest["status"]) == ("m2", "m1", "waiting")
    assert oldest["accepted_by"] == "POST /orders"
    assert [stage["outcome"] for stage in oldest["stages"]] == ["handled", "waiting"]
    none = run("find", "nobody", "--format", "json", "-p", str(pipeline))
    assert (none.exit_code, json.loads(none.stdout)) == (1, [])


@pytest.mark.usefixtures("ledger")
def test_what_is_not_found_was_searched_in_places_that_are_named(pipeline: Path) -> None:
    answered = run("find", "nobody@example.com", "-p", str(pipeline))
    assert answered.exit_code == 1
    assert answered.stderr == (
        "runner: nothing found for 'nobody@example.com' in the 30d that the ledger remembers; searched: message ids, "
        "what stages record (payment), user of POST /orders and messageId of mail\n"
    )
    assert "'soon'" in run("find", "m1", "--since", "soon", "-p", str(pipeline)).stderr


def test_without_a_ledger_the_line_to_add_is_shown(pipeline: Path) -> None:
    nothing_yet = run("find", "m1", "-p", str(pipeline)).stderr
    assert "nothing has been recorded yet: there is no sqlite:ledger.db" in nothing_yet
    pipeline.write_text("queues: {a: {}}")
    assert "add 'ledger: sqlite:var/ledger.db'" in run("find", "m1", "-p", str(pipeline)).stderr
