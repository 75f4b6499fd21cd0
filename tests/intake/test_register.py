"""Requests that are repeated with their key, and an intake whose ledger comes and goes."""

from __future__ import annotations

import gc
import json
import socket
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bench.postgres_node import PostgresNode
from runner.brokers.base import Done, GiveUp
from runner.brokers.registry import connect
from runner.errors import BrokerAwayError, BrokerError, BrokerUnavailableError, PublishError
from runner.intake import app, rsgi
from runner.intake.problems import TurnedAway
from runner.intake.register import Register, Replayed
from runner.ledger.ledger import Ledger
from runner.ledger.requests import Claimed, InFlight
from runner.ledger.url import path_of
from runner.message import Outgoing
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer
from tests.intake import remembering
from tests.intake.remembering import Clock, Held, Intake
from tests.intake.served import CARD, FINE, SCHEMA, WAYS, assert_problem
from tests.pipelines import loaded
from tests.waiting import wait_until

KEY = '"8e03978e-40d5-43e8-bc93-6894a57f9324"'
OTHER = {"card": "4242424242424242"}


def ids(intake: Intake, queue: str = "payments") -> list[str]:
    """Of the messages on a queue that nobody consumes."""
    return [message.id for message in EmbeddedPlace(intake.folder / "broker.db").contents(queue)]


def assert_replayed(answer: Answer, first: Answer) -> None:
    assert (answer.status, answer.text) == (202, first.text)
    assert answer.headers["Idempotent-Replayed"] == "true"
    assert answer.headers["Location"] == first.headers["Location"]
    assert answer.headers["Content-Type"] == first.headers["Content-Type"]


# -- Keys ---------------------------------------------------------------------------------


def test_a_request_that_comes_again_with_its_key_causes_nothing_and_gets_the_same_answer(intake: Intake) -> None:
    first = intake.post(KEY)
    assert first.status == 202
    assert first.headers["Location"] == f"/payments/{first.json['id']}"
    assert "Idempotent-Replayed" not in first.headers
    for _ in range(3):
        assert_replayed(intake.post(KEY), first)
    assert ids(intake) == [first.json["id"]]


def test_nothing_is_kept_of_a_request_that_was_answered_before_or_refused(intake: Intake) -> None:
    """Python's collector comes seldom in an intake: a body that waited for it would fill the memory."""
    intake.post(KEY)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        assert {intake.post(KEY, body).status for body in [FINE, OTHER] * 5} == {202, 422}
        gc.collect()
        assert [one for one in gc.garbage if isinstance(one, Replayed | TurnedAway)] == []
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def test_fifty_connections_with_one_key_at_once_make_one_payment(intake: Intake) -> None:
    together = threading.Barrier(50)

    def pay(_: int) -> Answer:
        together.wait(30)
        return intake.post(KEY)

    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(pay, range(50)))
    assert len(ids(intake)) == 1
    assert {answer.status for answer in answers} <= {202, 409}
    accepted = [answer for answer in answers if answer.status == 202]
    assert {answer.json["id"] for answer in accepted} == set(ids(intake))
    assert sum("Idempotent-Replayed" not in answer.headers for answer in accepted) == 1
    assert_replayed(intake.post(KEY), accepted[0])


def test_fifty_keys_at_once_make_fifty_payments(intake: Intake) -> None:
    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(lambda number: intake.post(f'"{number}"'), range(50)))
    assert Counter(answer.status for answer in answers) == {202: 50}
    assert sorted(ids(intake)) == sorted(answer.json["id"] for answer in answers)


def test_without_a_key_every_request_is_a_new_one(intake: Intake) -> None:
    assert intake.post().json["id"] != intake.post().json["id"]
    assert len(ids(intake)) == 2


def test_another_body_with_the_same_key_is_422(intake: Intake) -> None:
    intake.post(KEY)
    answer = intake.post(KEY, OTHER)
    assert_problem(answer, 422, "this Idempotency-Key was used with another body")
    assert CARD not in answer.text
    assert len(ids(intake)) == 1


@pytest.mark.parametrize("way", list(WAYS))
def test_what_was_answered_is_answered_again_though_its_schema_asks_for_more_since(
    tmp_path: Path, ledger_url: str, way: str
) -> None:
    answers = list[Answer]()
    for schema in (SCHEMA, {**SCHEMA, "required": ["card", "amount"]}):
        text = remembering.PIPELINE.replace("LEDGER", ledger_url).replace("CONFIRM_TIMEOUT", "1m")
        pipeline = loaded(tmp_path, text, {"payment.json": schema})
        broker, ledger = connect(pipeline.pipeline, "test"), Ledger(ledger_url).open(timeout=30.0)
        with WAYS[way](pipeline, broker, ledger) as client:
            intake = Intake(client, broker, ledger, pipeline, tmp_path)
            answers += [intake.post(KEY), intake.post(KEY, OTHER), intake.post('"another"'), intake.post()]
        ledger.close()
        broker.close()
    first, other, _, _, again, still_other, another, without = answers
    assert (first.status, other.status) == (202, 422)
    assert_replayed(again, first)
    assert_problem(still_other, 422, "the body breaks its schema")
    assert another.status == 202
    assert_problem(without, 422, "the body breaks its schema")
    assert len(ids(intake)) == 3


def test_a_key_belongs_to_its_route(intake: Intake) -> None:
    assert intake.post(KEY).status == 202
    again = intake.post(KEY, path="/pay-once")
    assert (again.status, "Idempotent-Replayed" in again.headers) == (202, False)


def test_a_key_is_the_same_in_quotes_and_bare(intake: Intake) -> None:
    first = intake.post('"abc-1"')
    for written in ("abc-1", '  "abc-1"  ', "abc-1 "):
        assert_replayed(intake.post(written), first)
    other = intake.post(r'"abc\"1"')
    assert_replayed(intake.post(r'"abc\"1"'), other)
    assert len(ids(intake)) == 2


def test_the_parameters_of_a_key_mean_nothing(intake: Intake) -> None:
    first = intake.post('"abc-1"')
    values = ("1", "-1.5", '"x; y"', r'"\""', "a/b:c", "*", ":aGk=:", "?0")
    for written in (";p", "; p", ";p;q", ";*p-q_r.s=1", *(f";p={value}" for value in values)):
        assert_replayed(intake.post(f'"abc-1"{written}'), first)
    assert len(ids(intake)) == 1


def test_where_a_key_is_required_a_request_without_one_is_400(intake: Intake) -> None:
    assert_problem(intake.post(path="/pay-once"), 400, "this address needs the header Idempotency-Key")
    assert intake.post(KEY, path="/pay-once").status == 202
    assert len(ids(intake)) == 1


NO_KEYS = [
    *("", '""', '"a', 'a"', '"a"b"', r'"a\b"', r'"a\"', '"a", "b"', "a,b", "a;b", "a b", '"é"', "é", '"a\tb"'),
    *("x" * 256, f'"{"x" * 256}"', "\xa0a"),
    *('"a" ;p=1', '"a";P=1', '"a";p=', '"a";p=1.', '"a";p="', '"a";', '"a";p=1, "b"', '"a";p=é', '"";p=1', "a;p=1"),
]
"""An Idempotency-Key as it can't be."""
KEYS = ["x" * 255, f'"{"x" * 255}"', '" "', '"~!#$%&\'()*+,;=:@/?"', "a=b", "a/b+c==", r"a\b", "'"]


@pytest.mark.parametrize("path", ["/pay", "/pay-once"])
def test_a_key_that_is_none_is_400_and_not_repeated(intake: Intake, path: str) -> None:
    for key in NO_KEYS:
        answer = intake.post(key, path=path)
        document = assert_problem(answer, 400, "Idempotency-Key must be a string in quotes")
        assert "x" * 20 not in json.dumps(document)
    assert ids(intake) == []


def test_any_key_that_is_one_is_taken(intake: Intake) -> None:
    for key in KEYS:
        first = intake.post(key)
        assert_replayed(intake.post(key), first)
    assert len(ids(intake)) == len(KEYS) - 1, "in quotes or bare, one is the same"


@pytest.mark.parametrize(
    "headers", [b'Idempotency-Key: "a"\r\nIdempotency-Key: "b"\r\n', b"Idempotency-Key: \xff\xfe\r\n"]
)
def test_two_keys_or_bytes_that_are_no_text_are_400(intake: Intake, headers: bytes) -> None:
    body = json.dumps(FINE).encode()
    head = b"POST /pay HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", intake.client.port), 30) as connection:
        connection.sendall(head + headers + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert connection.makefile("rb").readline().split()[1] == b"400"
    assert ids(intake) == []


def test_a_route_that_does_not_ask_for_keys_ignores_them(intake: Intake) -> None:
    answers = [intake.post(KEY, path="/both") for _ in range(2)]
    assert [answer.status for answer in answers] == [202, 202]
    assert len(ids(intake, "audit")) == 2


def test_a_body_that_is_refused_does_not_use_up_its_key(intake: Intake) -> None:
    assert intake.post(KEY, {"card": "1"}).status == 422
    assert intake.post(KEY).status == 202


# -- In flight -----------------------------------------------------------------------------


def test_a_key_in_flight_is_409_and_is_taken_over_as_the_same_message_after_its_time(
    intake: Intake, held: Held, clock: Clock
) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(intake.post, KEY)
        wait_until(lambda: held.taken)
        answer = intake.post(KEY)
        assert_problem(answer, 409, "a request with this Idempotency-Key is being answered")
        assert 1 <= int(answer.headers["Retry-After"]) <= 65
        assert_problem(intake.post(KEY, OTHER), 422, "was used with another body")
        held.let_others_through()
        clock.ahead = 120.0
        second = intake.post(KEY)
        assert second.status == 202
        held.release()
        assert first.result().json == second.json
    assert_replayed(intake.post(KEY), second)
    [(messages, _)] = held.taken
    assert set(ids(intake)) == {messages[0].id} == {second.json["id"]}


def test_a_key_whose_request_another_intake_has_just_answered_is_looked_at_again(
    intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_flight = threading.Event()
    answered = intake.ledger.answered

    def decided(register: Register, found: Claimed, *others: Any) -> None:
        if isinstance(found, InFlight):
            in_flight.set()
        decide(register, found, *others)

    decide = Register._decide
    monkeypatch.setattr(Register, "_decide", decided)
    for module in (app, rsgi):
        monkeypatch.setattr(module, "LOOK_AGAIN", (0.02,) * 500)
    late = list[tuple[Any, ...]]()
    monkeypatch.setattr(intake.ledger, "answered", lambda *args: late.append(args))
    first = intake.post('"another"')
    with ThreadPoolExecutor(1) as pool:
        again = pool.submit(intake.post, '"another"')
        assert in_flight.wait(30)
        answered(*late[0])
        assert_replayed(again.result(), first)


@pytest.mark.parametrize(
    "error", [PublishError([]), BrokerUnavailableError("no confirm"), BrokerAwayError("the broker is away")]
)
def test_a_503_is_not_remembered(intake: Intake, monkeypatch: pytest.MonkeyPatch, error: BrokerError) -> None:
    with monkeypatch.context() as patched:

        def refuse(_messages: Sequence[Outgoing], done: Done) -> GiveUp:
            if isinstance(error, BrokerAwayError):
                raise error
            done(error)
            return lambda: None

        patched.setattr(intake.broker, "submit", refuse)
        answer = intake.post(KEY)
        assert answer.status == 503
        assert answer.headers["Retry-After"]
    second = intake.post(KEY)
    assert (second.status, "Idempotent-Replayed" in second.headers) == (202, False)
    assert ids(intake) == [second.json["id"]]


@pytest.mark.parametrize("key", [None, KEY], ids=["without a key", "with a key"])
@pytest.mark.parametrize(("error", "kept"), [(PublishError([]), False), (BrokerUnavailableError("no confirm"), True)])
def test_what_was_certainly_not_published_is_nobodys_message(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, key: str | None, error: BrokerError, kept: bool
) -> None:
    tried: list[str] = []

    def refuse(messages: Sequence[Outgoing], done: Done) -> GiveUp:
        tried.extend(message.id for message in messages)
        done(error)
        return lambda: None

    monkeypatch.setattr(intake.broker, "submit", refuse)
    assert intake.post(key).status == 503
    wait_until(lambda: (intake.ledger.journey(tried[0]) is not None) == kept)


def test_a_key_is_forgotten_when_it_was_kept_long_enough(intake: Intake, clock: Clock) -> None:
    first = intake.post(KEY, path="/order")
    clock.ahead = 3_590.0
    assert intake.post(KEY, path="/order").json == first.json
    clock.ahead = 3_610.0
    assert intake.post(KEY, path="/order").json != first.json
    assert len(ids(intake, "orders")) == 2


# -- Away -----------------------------------------------------------------------------------


class Outage:
    """Takes a ledger away from everybody, and gives it back."""

    def __init__(self, url: str, node: Callable[[], PostgresNode]) -> None:
        self._path = path_of(url)
        self._node = node
        self._holder: sqlite3.Connection | None = None

    def begin(self) -> None:
        if self._path is None:
            self._node().kill()
            return
        self._holder = sqlite3.connect(self._path, isolation_level=None)
        self._holder.execute("BEGIN IMMEDIATE")

    def end(self) -> None:
        if self._path is None:
            self._node().start()
        elif self._holder is not None:
            self._holder.close()


@pytest.fixture
def outage(ledger_url: str, request: pytest.FixtureRequest) -> Outage:
    return Outage(ledger_url, lambda: request.getfixturevalue("postgres_node"))


@pytest.mark.parametrize("confirm_timeout", ["2s"])
def test_without_its_ledger_the_intake_is_503_and_goes_on_by_itself(intake: Intake, outage: Outage) -> None:
    first = intake.post(KEY)
    outage.begin()
    try:
        for key in (None, KEY, '"another"'):
            answer = intake.post(key)
            assert_problem(answer, 503, "send it again later")
            assert answer.headers["Retry-After"]
        wait_until(lambda: intake.ledger.away)
        answer = intake.get("/health/ready")
        assert_problem(answer, 503, "the ledger is away")
        assert intake.get("/health/live").status == 200
        assert intake.post(path="/note").status == 202, "this route has nothing to remember"
        assert ids(intake) == [first.json["id"]]
    finally:
        outage.end()
    wait_until(lambda: intake.get("/health/ready").status == 200)
    assert_replayed(intake.post(KEY), first)
    assert intake.post('"another"').status == 202
    assert len(ids(intake)) == 2


@pytest.mark.parametrize("confirm_timeout", ["2s"])
def test_what_is_stored_is_answered_202_though_the_ledger_has_gone_meanwhile_and_that_is_recorded_when_it_is_back(
    intake: Intake, held: Held, outage: Outage
) -> None:
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(intake.post, KEY)
        wait_until(lambda: held.taken)
        outage.begin()
        try:
            held.let_others_through()
            held.release()
            answer = first.result()
            assert answer.status == 202
            assert_problem(intake.post(KEY), 503, "send it again later")
        finally:
            outage.end()
    wait_until(lambda: not intake.ledger.away)
    assert_replayed(intake.post(KEY), answer)
    assert ids(intake) == [answer.json["id"]]


def test_a_ledger_that_is_not_open_yet_is_503(intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ledger, "away", "it is not open yet")
    assert_problem(intake.post(), 503, "the message was not taken")


@pytest.mark.parametrize("confirm_timeout", ["2s"])
def test_an_answer_of_the_ledger_that_comes_too_late_is_no_fault_of_ours(
    intake: Intake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    commit, held = intake.ledger._writer._commit, threading.Event()
    with monkeypatch.context() as patched:
        patched.setattr(intake.ledger._writer, "_commit", lambda jobs: (held.wait(30), commit(jobs)))
        answer = intake.post(KEY)
        assert_problem(answer, 503, "send it again later")
        held.set()
    wait_until(lambda: intake.post('"another"').status == 202)
    assert "Traceback" not in caplog.text
    assert "has failed" not in caplog.text
