"""Requests that come in pieces, late, or all at once: what granian's event loop has to bear."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import FunctionType, ModuleType

import pytest

from runner.brokers.base import Broker, Done, GiveUp
from runner.brokers.registry import connect
from runner.errors import BrokerAwayError
from runner.events import Observer
from runner.intake.rsgi import Application, settle
from runner.message import Outgoing
from runner.observability.observers import attach
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Client
from tests.intake.served import FINE, PIPELINE, SCHEMA, assert_problem, served, stored
from tests.pipelines import loaded
from tests.waiting import wait_until


def test_a_path_may_be_written_in_another_way(client: Client, tmp_path: Path) -> None:
    assert client.post("/%70ay?from=a-link", FINE).status == 202
    assert stored(tmp_path, "payments") == [FINE]


def test_a_body_in_chunks_has_the_same_limit(client: Client, tmp_path: Path) -> None:
    headers = {"Content-Type": "application/json"}
    whole = json.dumps(FINE).encode()
    assert client.request("POST", "/pay", iter([whole[:9], whole[9:]]), headers).status == 202
    assert stored(tmp_path, "payments") == [FINE]
    assert_problem(client.request("POST", "/pay", iter([b" " * 600, b" " * 600]), headers), 413, "larger than 1KiB")


def test_a_client_that_hangs_up_in_its_body_is_no_fault_of_ours(
    client: Client, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = "POST /pay HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        connection.sendall(head.encode() + json.dumps(FINE).encode())
    assert client.post("/pay", FINE).status == 202
    assert stored(tmp_path, "payments") == [FINE]
    assert "internal error" not in caplog.text


def test_a_confirm_that_does_not_come_in_time_is_503(
    client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_up = threading.Event()
    monkeypatch.setattr(broker, "submit", lambda *_: given_up.set)
    answer = client.post("/pay", FINE)
    assert_problem(answer, 503, "it may still have been stored")
    assert given_up.is_set()


def test_a_silent_broker_keeps_no_body_of_a_request_that_has_its_answer(
    client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Done] = []

    def submit(_messages: object, done: Done) -> GiveUp:
        kept.append(done)
        return lambda: None

    monkeypatch.setattr(broker, "submit", submit)
    body = json.dumps(FINE).encode().ljust(900)
    assert client.request("POST", "/pay", body, {"Content-Type": "application/json"}).status == 503
    wait_until(lambda: body not in reached(kept))


def reached(start: object) -> Iterator[object]:
    """What is kept with `start`; not what is in modules."""
    left, seen = [start], set[int]()
    while left:
        one = left.pop()
        if id(one) not in seen and not isinstance(one, ModuleType | FunctionType | type):
            seen.add(id(one))
            left += gc.get_referents(one)
            yield one


class Refusals(Observer):
    def __init__(self) -> None:
        self.seen: list[tuple[str, int, float, str | None]] = []

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None: ...

    def refused(
        self,
        route: str,
        status: int,
        reason: str,
        seconds: float = 0.0,
        traceparent: str | None = None,
    ) -> None:
        self.seen.append((route, status, seconds, traceparent))


def test_an_observer_is_told_how_long_a_refused_request_took_and_its_senders_span(tmp_path: Path) -> None:
    text = PIPELINE.replace("POST /pay:", "POST /pay:\n          headers: [Traceparent]", 1)
    pipeline, refusals = loaded(tmp_path, text, {"payment.json": SCHEMA}), Refusals()
    application = Application(pipeline, connect(pipeline.pipeline, "test"), attach([refusals]))
    with served(application) as (client, _):
        headers = {"Content-Type": "application/json", "traceparent": "00-1-2-01"}
        for path in ("/pay", "/sorted"):
            assert client.request("POST", path, b"{}", headers).status == 422
        assert client.request("POST", "/pay", b"{}", headers | {"Content-Type": "text/plain"}).status == 415
    pay, sorting, typed = refusals.seen
    assert (pay[:2], pay[3]) == (("POST /pay", 422), "00-1-2-01")
    assert (sorting[:2], sorting[3]) == (("POST /sorted", 422), None), "it doesn't travel there"
    assert (typed[:2], typed[3]) == (("POST /pay", 415), "00-1-2-01")
    assert all(seconds > 0.0 for _, _, seconds, _ in refusals.seen)


def test_many_requests_at_once_each_get_their_own_answer(client: Client, tmp_path: Path) -> None:
    good = {"urgent": True}
    with ThreadPoolExecutor(16) as pool:
        bodies = [good if number % 3 else {} for number in range(120)]
        answers = list(pool.map(lambda body: client.post("/sorted", body), bodies))
    assert [answer.status for answer in answers] == [202 if body else 422 for body in bodies]
    ids = {answer.json["id"] for answer in answers if answer.status == 202}
    assert ids == {message.id for message in EmbeddedPlace(tmp_path / "broker.db").contents("urgent")}
    assert len(ids) == 80


def test_a_body_that_is_cut_short_is_not_taken(client: Client, tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = "POST /pay HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        connection.sendall(head.encode() + json.dumps(FINE).encode())
        connection.shutdown(socket.SHUT_WR)  # and yet it waits for an answer
        assert b" 202 " not in connection.recv(65536)
    assert client.post("/pay", FINE).status == 202
    assert stored(tmp_path, "payments") == [FINE]


@pytest.fixture
def waiting() -> Iterator[asyncio.Future[None]]:
    """Who waits for a confirm."""
    loop = asyncio.new_event_loop()
    yield loop.create_future()
    loop.close()


def test_a_confirm_wakes_the_request_that_waits_for_it(waiting: asyncio.Future[None]) -> None:
    settle(waiting, None)
    assert waiting.result() is None


def test_a_refusal_is_raised_where_the_confirm_was_waited_for(waiting: asyncio.Future[None]) -> None:
    settle(waiting, BrokerAwayError("the broker is away"))
    assert str(waiting.exception()) == "the broker is away"


def test_a_confirm_that_comes_too_late_changes_nothing(waiting: asyncio.Future[None]) -> None:
    waiting.cancel()
    settle(waiting, None)
    assert waiting.cancelled()
