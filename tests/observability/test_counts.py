"""What a process counts, told by the events of a pipeline that runs in this one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from runner.engine import Engine
from runner.errors import Pause, Reject, Retry
from runner.message import Message
from runner.observability.counts import Counts
from runner.observability.snapshot import StageNow, Told
from tests.pipelines import loaded
from tests.waiting import wait_until

PIPELINE = """
    name: counted
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /work: {publish: first}
    queues: {first: {}, second: {}}
    stages:
      one:
        consume: first
        handler: "tests.observability.test_counts:do"
        publish: second
        retry: {attempts: 2, delay: 10ms}
      two: {consume: second, handler: "tests.observability.test_counts:do"}
"""


def do(message: Message) -> object:
    match message.body:
        case {"do": "retry"} if message.attempt == 1 and message.queue == "first":
            raise Retry("not yet")
        case {"do": "reject"}:
            raise Reject("no good")
        case {"do": "pause"} if message.queue == "first":
            raise Pause("no relay", delay=60.0)
    return message.body if message.queue == "first" else None


def post(url: str, body: object, path: str = "/work") -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"Content-Type": "application/json"})
    try:
        urllib.request.urlopen(request, timeout=30).close()
    except urllib.error.HTTPError as error:
        error.close()


@pytest.fixture
def counts() -> Counts:
    return Counts(["one", "two"], ["POST /work"])


def test_each_outcome_is_counted_for_its_stage(tmp_path: Path, counts: Counts) -> None:
    def told() -> Told:
        return counts.told()

    with Engine(loaded(tmp_path, PIPELINE), observers=[counts]) as engine:
        for body in ({}, {"do": "retry"}, {"do": "reject"}):
            post(engine.url, body)
        wait_until(lambda: told().totals.stages["two"].handled == 2 and told().totals.stages["one"].dead == 1)
    one, two = told().totals.stages["one"], told().totals.stages["two"]
    assert (one.received, one.handled, one.retried, one.dead, one.held) == (4, 2, 1, 1, 0)
    assert (two.received, two.handled, two.retried, two.dead) == (2, 2, 0, 0)
    assert (one.seconds.count, two.seconds.count) == (4, 2)
    assert one.seconds.sum < 60.0


def test_requests_are_counted_by_route_and_status(tmp_path: Path, counts: Counts) -> None:
    assert counts.told().totals.requests == {"POST /work": {"202": 0}}, "known before the first request"
    with Engine(loaded(tmp_path, PIPELINE), observers=[counts]) as engine:
        post(engine.url, {})
        post(engine.url, b"{")
        post(engine.url, {}, "/elsewhere")
    assert counts.told().totals.requests == {"POST /work": {"202": 1, "400": 1}, "": {"404": 1}}
    assert counts.told().totals.answering["POST /work"].count == 1


def test_a_repeated_request_is_counted_apart(tmp_path: Path, counts: Counts) -> None:
    text = PIPELINE.replace("{publish: first}", "{publish: first, idempotency: optional}")
    pipeline = loaded(tmp_path, text + f"    ledger: 'sqlite:{tmp_path / 'ledger.db'}'\n")
    with Engine(pipeline, observers=[counts]) as engine:
        for _ in range(3):
            request = urllib.request.Request(
                f"{engine.url}/work", b"{}", {"Content-Type": "application/json", "Idempotency-Key": "key-1"}
            )
            urllib.request.urlopen(request, timeout=30).close()
    totals = counts.told().totals
    assert (totals.requests["POST /work"]["202"], totals.repeated) == (1, {"POST /work": 2})


def test_a_paused_stage_shows_why_and_since_when(tmp_path: Path, counts: Counts) -> None:
    with Engine(loaded(tmp_path, PIPELINE), observers=[counts]) as engine:
        post(engine.url, {"do": "pause"})
        wait_until(lambda: counts.told().now.stages["one"].paused)
        stage = counts.told().now.stages["one"]
    assert (stage.paused, stage.why) == (1, "no relay")
    assert stage.since > 1_700_000_000
    counts.resumed("one")
    assert counts.told().now.stages["one"] == StageNow()


class Broker:
    available = True
    unconfirmed = 7


def test_how_the_broker_and_the_stages_stand_is_asked_when_it_is_told(counts: Counts) -> None:
    broker = Broker()
    counts.look_at(broker, lambda: {"one": StageNow(slots=4, busy=3, breaker={"open": 1})})
    now = counts.told().now
    assert (now.connected, now.away, now.unconfirmed) == (1, 0, 7)
    assert (now.stages["one"].slots, now.stages["one"].busy, now.stages["one"].breaker) == (4, 3, {"open": 1})
    broker.available = False
    assert (counts.told().now.connected, counts.told().now.away) == (0, 1)


def test_only_a_connection_that_was_lost_counts_as_made_again(counts: Counts) -> None:
    counts.connected("a", again=False)
    counts.connected("a", again=True)
    assert counts.told().totals.reconnects == 1


def test_transactions_of_the_ledger_and_its_absence_are_counted(counts: Counts) -> None:
    counts.recorded(12, 0.003)
    counts.ledger_away("no server")
    assert counts.told().totals.ledger.count == 1
    assert counts.told().now.ledger_away == 1
    counts.ledger_back()
    assert counts.told().now.ledger_away == 0


def test_how_long_messages_wait_and_take_is_measured_on_those_that_are_stamped(tmp_path: Path, counts: Counts) -> None:
    """They are, where the file names a console."""
    text = PIPELINE + '    console: {listen: "127.0.0.1:0"}\n'
    with Engine(loaded(tmp_path, text), observers=[counts]) as engine:
        post(engine.url, {"do": "retry"})
        wait_until(lambda: counts.told().totals.stages["two"].handled == 1)
    one, two = counts.told().totals.stages["one"], counts.told().totals.stages["two"]
    assert (one.waited.count, one.whole.count) == (2, 0), "at both attempts; it doesn't end here"
    assert (two.waited.count, two.whole.count) == (1, 1)
    assert two.whole.sum >= 0.01, "with the wait of its retry"
    assert counts.told().now.stages["two"].reached > 1_700_000_000


def test_without_a_console_no_message_is_stamped(tmp_path: Path, counts: Counts) -> None:
    with Engine(loaded(tmp_path, PIPELINE), observers=[counts]) as engine:
        post(engine.url, {})
        wait_until(lambda: counts.told().totals.stages["two"].handled == 1)
    assert counts.told().totals.stages["two"].waited.count == 0


def test_a_dead_letter_ends_the_way_of_a_message(tmp_path: Path, counts: Counts) -> None:
    text = PIPELINE + '    console: {listen: "127.0.0.1:0"}\n'
    with Engine(loaded(tmp_path, text), observers=[counts]) as engine:
        post(engine.url, {"do": "reject"})
        wait_until(lambda: counts.told().totals.stages["one"].whole.count == 1)


def test_calls_that_handlers_time_are_counted_under_few_names(counts: Counts) -> None:
    for number in range(100):
        counts.called("one", f"call-{number}", 0.1)
    counts.called("one", "call-0", 0.2)
    counts.called("", "call-0", 0.2)
    calls = counts.told().totals.stages["one"].calls
    assert len(calls) == 20
    assert calls["call-0"].sum == pytest.approx(0.3)
