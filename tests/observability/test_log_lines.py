"""What an operator reads about each event."""

from __future__ import annotations

import json
import logging
import math
from datetime import UTC, datetime
from typing import Any

import pytest

from runner.events import Failure
from runner.message import Delivery, Destination, Outgoing, Session
from runner.observability.log_lines import LONGEST_REASON, LogLines, Successes
from runner.observability.logs import JsonFormatter

DELIVERY = Delivery("in", "id-1", b"{}", {}, 1, Session(), 1)


@pytest.fixture
def lines() -> LogLines:
    return LogLines()


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG)
    return caplog


def test_a_failed_attempt_is_a_warning_that_says_when_the_next_one_is(
    lines: LogLines, said: pytest.LogCaptureFixture
) -> None:
    lines.retried("charge", DELIVERY, Failure("gateway is down", 1, 3), 2.0)
    expected = "charge: in message id-1, attempt 1 of 3: gateway is down; again in 2s"
    assert said.record_tuples == [("runner.worker", logging.WARNING, expected)]


def test_a_dead_letter_is_an_error_that_says_where_it_lies(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.dead("charge", DELIVERY, Failure("gateway is down", 3, 3))
    lines.dead("charge", DELIVERY, Failure("it has had 8 attempts, and 3 are allowed", 8, 3))
    assert said.record_tuples == [
        (
            "runner.worker",
            logging.ERROR,
            "charge: in message id-1, attempt 3 of 3: gateway is down; moved to in.dlq",
        ),
        (
            "runner.worker",
            logging.ERROR,
            "charge: in message id-1, after 8 attempts: it has had 8 attempts, and 3 are allowed; moved to in.dlq",
        ),
    ]


def test_a_traceback_follows_its_line(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.retried("charge", DELIVERY, Failure("ValueError: x", 1, 3, "Traceback:\n  line 3\n"), 2.0)
    first, *rest = said.messages[0].splitlines()
    assert (first[-26:], rest) == ("ValueError: x; again in 2s", ["Traceback:", "  line 3"])


def test_what_others_have_written_keeps_to_its_line(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.dead("charge", DELIVERY, Failure("two\nlines \x1b[31m", 1, 3))
    lines.held("charge", DELIVERY, "two\nlines \x1b[31m" + "x" * 5000, 1.0)
    assert all(line.isprintable() and len(line) < 1200 for line in said.messages)


def test_a_card_number_at_the_end_of_a_long_line_is_not_cut_before_it_is_masked(
    lines: LogLines, said: pytest.LogCaptureFixture
) -> None:
    lines.held("charge", DELIVERY, "x" * (LONGEST_REASON - 10) + " 4111111111111111", 1.0)
    assert "x •••" in said.messages[0]
    assert "4111" not in said.messages[0]


def test_requests_that_are_turned_away_for_the_broker_are_reported_now_and_then(
    lines: LogLines, said: pytest.LogCaptureFixture
) -> None:
    for _ in range(100):
        lines.refused("POST /pay", 503, "the broker is away")
        lines.refused("POST /pay", 422, "the body breaks its schema")
    lines.refused("POST /refund", 503, "the queue is full")
    assert said.record_tuples == [
        ("runner.intake", logging.WARNING, "answering 503: the broker is away"),
        ("runner.intake", logging.WARNING, "answering 503: the queue is full"),
    ]


def test_what_is_held_is_an_error_now_and_then(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    for _ in range(100):
        lines.held("charge", DELIVERY, "in.dlq: the queue is\nfull", 1.0)
    lines.held("mail", DELIVERY, "mail.dlq: no such queue", 1.0)
    assert said.record_tuples == [
        (
            "runner.worker",
            logging.ERROR,
            "charge: in message id-1: in.dlq: the queue is full; held, and tried again every 1 s",
        ),
        (
            "runner.worker",
            logging.ERROR,
            "mail: in message id-1: mail.dlq: no such queue; held, and tried again every 1 s",
        ),
    ]


def test_what_is_not_finished_at_the_end_is_named(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.unfinished("charge", [DELIVERY, Delivery("in", "id-2", b"{}", {}, 1, Session(), 2)])
    lines.unfinished("charge", [DELIVERY] * 25)
    lines.unfinished("mail", [])
    assert said.messages == [
        "charge: still busy with in message id-1, in message id-2, which will be delivered again",
        f"charge: still busy with {', '.join(['in message id-1'] * 20)} and 5 more, which will be delivered again",
        "mail: a handler doesn't end, though it has nothing in hand",
    ]


def test_a_pause_is_an_error_and_its_end_is_news(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.paused("mail", "the password is refused", 0.5)
    lines.paused("mail", "by ada: the bank is down", math.inf)
    lines.resumed("mail")
    assert said.record_tuples == [
        ("runner.worker", logging.ERROR, "mail is paused for 0.5 s: the password is refused"),
        ("runner.worker", logging.ERROR, "mail is paused by ada: the bank is down; 'runner resume mail' ends that"),
        ("runner.worker", logging.INFO, "mail resumes"),
    ]


def test_a_ledger_is_reported_when_it_goes_and_when_it_is_back(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.ledger_away("connection refused")
    lines.ledger_back()
    assert said.record_tuples == [
        ("runner.ledger", logging.WARNING, "the ledger is away, and is waited for: connection refused"),
        ("runner.ledger", logging.INFO, "the ledger is back"),
    ]


def test_a_broker_is_reported_when_it_goes_and_when_it_is_back(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.waiting("node:5672", "node:5672: connection refused")
    lines.connected("node:5672", again=False)
    lines.disconnected("node:5672", "node:5672: timed out", mends=True)
    lines.connected("node:5672", again=True)
    lines.disconnected("var/broker.db", "the disk is full", mends=False)
    lines.blocked("node:5672", "low on memory")
    lines.unblocked("node:5672")
    lines.interrupted("node:5672", "a queue or a binding is gone from the broker")
    assert [(record.levelname, record.getMessage()) for record in said.records] == [
        ("WARNING", "waiting for the broker: node:5672: connection refused"),
        ("WARNING", "the connection to the broker is lost: node:5672: timed out; connecting again"),
        ("INFO", "connected to node:5672 again"),
        ("ERROR", "the broker is not available: the disk is full"),
        ("WARNING", "the broker takes no messages now: low on memory"),
        ("INFO", "the broker takes messages again"),
        ("WARNING", "a queue or a binding is gone from the broker; declaring again"),
    ]


def test_a_child_that_died_is_reported_where_it_is_restarted(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.stopped("worker", 12, -9, was_up=True, again=0.25)
    lines.stopped("intake", 13, 1, was_up=False, again=30.0)
    lines.stopped("worker", 14, 0, was_up=True, again=None)
    assert said.messages == [
        "worker was killed by SIGKILL; restarting it in 0.25 s",
        "intake ended with status 1 before it was up; restarting it in 30 s",
    ]


def test_a_part_that_is_killed_is_reported_with_what_becomes_of_its_work(
    lines: LogLines, said: pytest.LogCaptureFixture
) -> None:
    for part in ("worker-2", "intake", "mailbox", "health"):
        lines.killed(part, 12)
    assert said.messages == [
        "worker-2 still runs; killing it. What it had in hand is delivered again",
        "intake still runs; killing it. Requests without an answer have to be sent again",
        "mailbox still runs; killing it. Mails without an answer are sent again",
        "health still runs; killing it. It had nothing in hand",
    ]


def test_how_a_run_ends_badly_is_an_error(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.killed("worker", 12)
    lines.cannot_start("intake", "port 5000 is taken; stop the other program")
    assert said.record_tuples == [
        (
            "runner.supervisor",
            logging.ERROR,
            "worker still runs; killing it. What it had in hand is delivered again",
        ),
        ("runner.supervisor", logging.ERROR, "port 5000 is taken; stop the other program"),
    ]


def fields(said: pytest.LogCaptureFixture) -> list[Any]:
    """As JSON has them."""
    formatter = JsonFormatter("worker")
    return [json.loads(formatter.format(record)) for record in said.records]


FAILED = Failure("ValueError: x", 1, 3, "Traceback:\n  line 3\n", "ValueError")


def test_of_a_delivery_that_failed_every_fact_is_a_field(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.retried("charge", DELIVERY, FAILED, 2.0)
    lines.dead("charge", DELIVERY, FAILED)
    retried, dead = fields(said)
    common = {
        "stage": "charge",
        "queue": "in",
        "id": "id-1",
        "attempt": 1,
        "attempts": 3,
        "error": "ValueError",
        "reason": "ValueError: x",
        "traceback": "Traceback:\n  line 3\n",
    }
    assert retried.items() >= {**common, "outcome": "retried", "delay": 2.0}.items()
    assert datetime.fromisoformat(retried["next_retry"]) > datetime.now(UTC)
    assert retried["message"] == "charge: in message id-1, attempt 1 of 3: ValueError: x; again in 2s"
    assert dead.items() >= {**common, "outcome": "dead", "moved_to": "in.dlq"}.items()


def test_of_everything_else_the_facts_are_fields_too(lines: LogLines, said: pytest.LogCaptureFixture) -> None:
    lines.refused("POST /pay", 503, "the broker is away")
    lines.waiting("node:5672", "refused")
    lines.connected("node:5672", again=True)
    lines.disconnected("node:5672", "timed out", mends=True)
    lines.blocked("node:5672", "low on memory")
    lines.unblocked("node:5672")
    lines.interrupted("node:5672", "a queue is gone")
    lines.ledger_away("refused")
    lines.held("charge", DELIVERY, "full", 1.0)
    lines.unfinished("charge", [DELIVERY])
    lines.unfinished("charge", [])
    lines.paused("mail", "no relay", 60.0)
    lines.resumed("mail")
    lines.cannot_start("intake", "port 5000 is taken")
    lines.killed("worker", 12)
    lines.stopped("worker", 12, -9, was_up=True, again=0.25)
    broker = {"broker": "node:5672"}
    common = {"time", "level", "part", "logger", "message"}
    assert [{name: value for name, value in line.items() if name not in common} for line in fields(said)] == [
        {"route": "POST /pay", "status": 503, "reason": "the broker is away"},
        {**broker, "reason": "refused"},
        broker,
        {**broker, "reason": "timed out"},
        {**broker, "reason": "low on memory"},
        broker,
        {**broker, "reason": "a queue is gone"},
        {"reason": "refused"},
        {"stage": "charge", "queue": "in", "id": "id-1", "outcome": "held", "reason": "full", "delay": 1.0},
        {"stage": "charge", "outcome": "unfinished", "ids": ["id-1"]},
        {"stage": "charge"},
        {"stage": "mail", "reason": "no relay", "delay": 60.0},
        {"stage": "mail"},
        {"process": "intake", "reason": "port 5000 is taken"},
        {"process": "worker", "pid": 12},
        {"process": "worker", "pid": 12, "status": -9, "delay": 0.25},
    ]


def test_each_success_is_told_to_those_who_debug(said: pytest.LogCaptureFixture) -> None:
    passed = Outgoing(Destination("", "out"), "id-1", b"{}")
    Successes().accepted("POST /pay", [passed], 0.0012)
    Successes().handled("charge", DELIVERY, [passed, passed], 0.25)
    Successes().handled("mail", DELIVERY, [], 0.25)
    assert said.record_tuples == [
        ("runner.intake", logging.DEBUG, "POST /pay: message id-1 is accepted, after 1.2 ms"),
        ("runner.worker", logging.DEBUG, "charge: in message id-1, attempt 1: handled in 250.0 ms; published to out"),
        ("runner.worker", logging.DEBUG, "mail: in message id-1, attempt 1: handled in 250.0 ms"),
    ]
    accepted, handled, _ = fields(said)
    assert (accepted["id"], accepted["route"], accepted["outcome"]) == ("id-1", "POST /pay", "accepted")
    assert (handled["stage"], handled["seconds"], handled["published_to"]) == ("charge", 0.25, ["out", "out"])
