"""What `runner ledger` tells of messages."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.ledger.hops import HopKey, Records, Settled
from runner.ledger.ledger import Ledger
from tests.commands.prompt import run
from tests.ledger.ledgers import record

PIPELINE = """
name: shop
ledger: sqlite:ledger.db
queues: {orders: {}, mails: {}}
http: {routes: {POST /orders: {publish: orders}}}
stages:
  charge: {consume: orders, handler: "tests.config.handlers:take", publish: mails, record: {payment: /kind}}
  mail: {consume: mails, handler: "tests.config.handlers:take"}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    file = tmp_path / "pipeline.yaml"
    file.write_text(PIPELINE)
    return file


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with_journey = Ledger(f"sqlite:{tmp_path / 'ledger.db'}").open()
    now, records = time.time(), Records()
    charged, mailed = HopKey("m1", "orders"), HopKey("m1", "mails")
    records.published(charged, "POST /orders", now)
    records.settled(Settled(charged, "handled", "charge", 1, now))
    records.published(mailed, "charge", now)
    records.settled(Settled(mailed, "waiting", "mail", 2, now, now + 60, "[bold]greylisted\x1b[31m"))
    records.recorded("m1", "payment", '"paid"', now)
    assert record(with_journey, records) is None
    yield with_journey
    with_journey.close()


@pytest.mark.usefixtures("ledger")
def test_a_journey_is_shown_from_the_request_to_where_it_waits_and_why(pipeline: Path) -> None:
    shown = run("ledger", "show", "m1", "-p", str(pipeline)).output
    assert shown.startswith("m1: waiting\n  payment  paid\n")
    assert "accepted by POST /orders\n" in shown
    assert "handled by charge (orders)" in shown
    assert "to be tried again by mail at attempt 2 (mails)" in shown
    assert "[bold]greylisted" in shown
    assert "\x1b" not in shown


@pytest.mark.usefixtures("ledger")
def test_the_id_of_a_copy_leads_to_its_message(pipeline: Path) -> None:
    assert run("ledger", "show", "m1.2", "-p", str(pipeline)).output.startswith("m1: waiting\n")


@pytest.mark.usefixtures("ledger")
def test_for_a_program_it_is_the_document_of_the_status_resource(pipeline: Path) -> None:
    document = json.loads(run("ledger", "show", "m1", "--format", "json", "-p", str(pipeline)).output)
    assert (document["id"], document["status"], document["recorded"]) == ("m1", "waiting", {"payment": "paid"})
    assert [stage["outcome"] for stage in document["stages"]] == ["handled", "waiting"]


@pytest.mark.usefixtures("ledger")
def test_messages_are_found_by_what_was_recorded(pipeline: Path) -> None:
    found = run("ledger", "find", "--recorded", "payment=paid", "--since", "1h", "-p", str(pipeline))
    assert [line.split()[-1] for line in found.output.splitlines()] == ["m1"]
    as_json = run("ledger", "find", "--recorded", 'payment="paid"', "--format", "json", "-p", str(pipeline))
    assert [one["id"] for one in json.loads(as_json.output)] == ["m1"]
    none = run("ledger", "find", "--recorded", "payment=declined", "-p", str(pipeline))
    assert (none.exit_code, none.stdout) == (0, "")
    assert "no message since" in none.stderr


@pytest.mark.usefixtures("ledger")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "m2"), "the ledger knows no message m2"),
        (("find", "--recorded", "colour=red"), "no stage of {file} records colour; recorded are payment"),
        (("find", "--recorded", "payment"), "'payment' has no '='; write NAME=VALUE"),
        (("find", "--recorded", "payment=paid", "--since", "soon"), "'soon'"),
    ],
)
def test_what_can_not_be_answered_is_said(pipeline: Path, arguments: tuple[str, ...], said: str) -> None:
    answered = run("ledger", *arguments, "-p", str(pipeline))
    assert answered.exit_code != 0
    assert said.replace("{file}", str(pipeline)) in " ".join(answered.output.split())


def test_without_a_ledger_the_line_to_add_is_shown(pipeline: Path) -> None:
    assert (
        "nothing has been recorded yet: there is no sqlite:ledger.db"
        in run("ledger", "show", "m1", "-p", str(pipeline)).output
    )
    pipeline.write_text("queues: {a: {}}")
    assert "add 'ledger: sqlite:var/ledger.db'" in run("ledger", "show", "m1", "-p", str(pipeline)).output
