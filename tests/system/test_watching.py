"""A whole pipeline in this process, as an observer sees it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import pytest

from runner import Engine, Message, Pause, Reject
from runner.events import Observer
from runner.message import Destination, Outgoing
from tests.http_client import Client
from tests.pipelines import loaded
from tests.waiting import wait_until
from tests.watching import Journal

PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /work: {publish: first}
    defaults:
      retry: {attempts: 2, delay: 50ms}
    queues:
      first: {schema: work.json}
      second: {}
    stages:
      one: {consume: first, handler: "tests.system.test_watching:PassOn", publish: second}
      two: {consume: second, handler: "tests.system.test_watching:Finish"}
"""
SCHEMA = {"type": "object", "required": ["do"]}


class PassOn:
    """Passes its message on, the second time where it has to wait."""

    paused: ClassVar[set[str]]

    def __call__(self, message: Message) -> object:
        if message.body["do"] == "pause" and message.id not in self.paused:
            self.paused.add(message.id)
            raise Pause("the bank is closed", delay=0.1)
        return message.body


class Finish:
    """Takes what is fine, and fails at what isn't."""

    def __call__(self, message: Message) -> None:
        if message.body["do"] == "fail":
            raise ValueError("no such account")
        if message.body["do"] == "reject":
            raise Reject("the account is closed")


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("no room left for metrics")


Failing = type("Failing", (Observer,), {name: fail for name in vars(Observer) if not name.startswith("_")})
"""Fails at every event."""


@pytest.fixture(params=["embedded", "rabbitmq"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Of a broker that has not been used yet."""
    if request.param == "embedded":
        return f"embedded:{tmp_path / 'broker.db'}"
    return str(request.getfixturevalue("vhost_url"))


def engine(folder: Path, url: str, observer: Observer) -> Engine:
    PassOn.paused = set()
    pipeline = loaded(folder, PIPELINE.replace("BROKER", json.dumps(url)), {"work.json": SCHEMA})
    return Engine(pipeline, observers=[observer])


def post(running: Engine, body: object) -> Any:
    """The answer to a request."""
    return Client(int(running.url.rpartition(":")[2])).post("/work", body)


def test_a_message_is_seen_on_its_whole_way(tmp_path: Path, url: str) -> None:
    journal = Journal()
    with engine(tmp_path, url, journal) as running:
        message = post(running, {"do": "pass"}).json["id"]
        wait_until(lambda: journal.of(message, "handled") == [("handled", "one"), ("handled", "two")])
    # The worker may be ahead of the intake: only what follows from each other has an order.
    stored = journal.of(message, "published", "confirmed", "accepted")
    second = [("published", "second"), ("confirmed", "second")]
    assert [seen for seen in stored if seen not in second] == [
        ("published", "first"),
        ("confirmed", "first"),
        ("accepted", "POST /work"),
    ]
    assert [seen for seen in stored if seen in second] == second
    assert journal.of(message, "published", "taken", "handled") == [
        ("published", "first"),
        ("taken", "one"),
        ("handled", "one"),
        ("published", "second"),
        ("taken", "two"),
        ("handled", "two"),
    ]
    assert [seen.more[0] for seen in journal.only("handled")] == [["second"], []]
    assert all(seen.more[-1] > 0 for seen in journal.only("handled") + journal.only("accepted")), "seconds"


def test_a_failure_is_seen_with_each_attempt_and_its_end(tmp_path: Path, url: str) -> None:
    journal = Journal()
    with engine(tmp_path, url, journal) as running:
        message = post(running, {"do": "fail"}).json["id"]
        wait_until(lambda: journal.of(message, "confirmed")[-1] == ("confirmed", "second.dlq"))
    assert journal.of(message, "published", "taken", "retried", "dead")[2:] == [
        ("published", "second"),
        ("taken", "two"),
        ("retried", "two"),
        ("published", "second"),
        ("taken", "two"),
        ("dead", "two"),
        ("published", "second.dlq"),
    ]
    [retried], [dead] = journal.only("retried"), journal.only("dead")
    first, delay = retried.more
    last = dead.more[0]
    assert delay == pytest.approx(0.05)
    assert (first.reason, first.attempt, first.attempts) == ("ValueError: no such account", 1, 2)
    assert (last.reason, last.attempt, last.attempts) == ("ValueError: no such account", 2, 2)
    assert "in __call__" in last.traceback
    assert first.seconds > 0


def test_an_order_is_seen_with_its_reason_and_without_a_traceback(tmp_path: Path, url: str) -> None:
    journal = Journal()
    with engine(tmp_path, url, journal) as running:
        post(running, {"do": "reject"})
        wait_until(lambda: journal.only("dead"))
    [dead] = journal.only("dead")
    assert (dead.more[0].reason, dead.more[0].traceback) == ("the account is closed", "")


def test_a_pause_is_seen_to_begin_and_to_end(tmp_path: Path, url: str) -> None:
    journal = Journal()
    with engine(tmp_path, url, journal) as running:
        message = post(running, {"do": "pause"}).json["id"]
        wait_until(lambda: ("handled", "two") in journal.of(message, "handled"))
    told = [(seen.event, seen.at, seen.more) for seen in journal.seen if seen.event in ("paused", "resumed")]
    assert told == [("paused", "one", ("the bank is closed", 0.1)), ("resumed", "one", ())]


def test_a_request_that_is_turned_away_is_seen_with_its_reason(tmp_path: Path) -> None:
    journal = Journal()
    with engine(tmp_path, f"embedded:{tmp_path / 'broker.db'}", journal) as running:
        answers = [post(running, {"not": "it"}), Client(int(running.url.rpartition(":")[2])).post("/nowhere", {})]
    assert [answer.status for answer in answers] == [422, 404]
    assert [(seen.at, *seen.more) for seen in journal.only("refused")] == [
        ("POST /work", 422, "the body breaks its schema"),
        ("", 404, "nothing is served here; the routes are POST /work"),
    ]
    assert not journal.only("accepted")


def test_a_broker_is_seen_to_come(tmp_path: Path, url: str) -> None:
    journal = Journal()
    with engine(tmp_path, url, journal):
        pass
    [connected] = journal.only("connected")
    assert connected.more == (False,)
    assert connected.at
    assert "guest" not in connected.at, "no credentials"
    assert not journal.only("disconnected"), "it was left, not lost"


def test_an_observer_that_always_fails_harms_no_message(
    tmp_path: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with engine(tmp_path, url, Failing()) as running:
        for body in ("pass", "fail", "reject", "pause", "pass", "fail"):
            assert post(running, {"do": body}).status == 202
        wait_until(lambda: running.broker.depths(["second"])["second"].dead == 3)
        running.broker.publish([Outgoing(Destination("", "second"), "id-1", b'{"do": "reject"}')])
        wait_until(lambda: running.broker.depths(["second"])["second"].dead == 4)
        depths = running.broker.depths(["first", "second"])
        assert [(depth.ready, depth.in_hand) for depth in depths.values()] == [(0, 0), (0, 0)]
    failed = [record for record in caplog.records if record.name == "runner.events"]
    assert len(failed) == 10, "once for each event"
