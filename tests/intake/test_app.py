"""The intake, asked by HTTP as its users do; behind it a real broker.

Every test runs over both ways in: granian and its event loop, as `runner run` serves it,
and Werkzeug's server and Flask, as the engine does.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from granian.server.embed import Server
from werkzeug.serving import make_server

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.intake.app import create_app
from runner.intake.rsgi import Application
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer, Client
from tests.pipelines import loaded
from tests.ports import free_port
from tests.waiting import wait_until

PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      max_body: 1KiB
      confirm_timeout: 2s
      routes:
        POST /pay:
          publish: payments
        PUT /pay:
          publish: payments
        POST /both: {publish: [payments, audit]}
        POST /sorted:
          publish:
            - {when: {required: [urgent]}, to: urgent}
            - {when: {required: [card]}, to: payments}
        POST /event:
          publish: [{to: {exchange: events, key: payment.made}}]
    exchanges:
      events: {type: topic}
    queues:
      payments: {schema: payment.json, max_length: 3}
      audit: {}
      urgent: {}
      events: {schema: payment.json, bind: [{exchange: events, key: "payment.*"}]}
    stages:
      take: {consume: payments, handler: "tests.intake.test_app:ignore"}
"""
SCHEMA = {
    "type": "object",
    "required": ["card"],
    "properties": {
        "card": {"type": "string", "pattern": "^[0-9]{16}$"},
        "amount": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}
CARD = "4111111111111111"
FINE = {"card": CARD}


def ignore(message: object) -> None: ...


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE, {"payment.json": SCHEMA})


@pytest.fixture
def broker(pipeline: LoadedPipeline) -> Iterator[Broker]:
    """Started by the way in that is taken."""
    broker = connect(pipeline.pipeline, "test")
    yield broker
    broker.close()


@contextmanager
def by_flask(pipeline: LoadedPipeline, broker: Broker) -> Iterator[Client]:
    broker.start(plan(pipeline.pipeline))
    server = make_server("127.0.0.1", 0, create_app(pipeline, broker), threaded=True)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    yield Client(server.port)
    server.shutdown()
    serving.join()
    server.server_close()


@contextmanager
def by_granian(pipeline: LoadedPipeline, broker: Broker) -> Iterator[Client]:
    loop = asyncio.new_event_loop()
    port = free_port()

    async def serve() -> None:
        server = Server(Application(pipeline, broker), port=port, log_enabled=False, websockets=False)
        stopping.append(server.stop)
        await server.serve()

    stopping: list[Any] = []
    serving = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    serving.start()
    broker.start(plan(pipeline.pipeline), loop=loop)
    wait_until(lambda: listens(port))
    yield Client(port)
    broker.close()
    loop.call_soon_threadsafe(stopping[0])
    serving.join()
    loop.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


WAYS = {"flask": by_flask, "granian": by_granian}


@pytest.fixture(params=list(WAYS))
def client(request: pytest.FixtureRequest, pipeline: LoadedPipeline, broker: Broker) -> Iterator[Client]:
    with WAYS[request.param](pipeline, broker) as client:
        yield client


def stored(tmp_path: Path, queue: str) -> list[Any]:
    return [json.loads(message.payload) for message in EmbeddedPlace(tmp_path / "broker.db").contents(queue)]


def assert_problem(answer: Answer, status: int, detail: str) -> Any:
    assert (answer.status, answer.mimetype) == (status, "application/problem+json"), answer.text
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert detail in document["detail"]
    return document


def test_a_good_body_is_on_its_queue_when_202_is_answered(client: Client, tmp_path: Path) -> None:
    answer = client.post("/pay", FINE)
    assert (answer.status, answer.mimetype) == (202, "application/json")
    assert set(answer.json) == {"id", "status"}
    (message,) = EmbeddedPlace(tmp_path / "broker.db").contents("payments")
    assert (message.id, json.loads(message.payload)) == (answer.json["id"], FINE)
    assert "Location" not in answer.headers, "nothing would answer there yet"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/x+json"])
def test_any_json_content_type_is_taken(client: Client, content_type: str) -> None:
    assert client.post("/pay", FINE, content_type=content_type).status == 202


def test_each_method_has_a_route_of_its_own(client: Client) -> None:
    assert client.request("PUT", "/pay", json.dumps(FINE), {"Content-Type": "application/json"}).status == 202


def test_a_route_may_publish_to_several_queues(client: Client, tmp_path: Path) -> None:
    assert client.post("/both", FINE).status == 202
    assert stored(tmp_path, "payments") == stored(tmp_path, "audit") == [FINE]


def test_a_route_may_sort_bodies(client: Client, tmp_path: Path) -> None:
    assert client.post("/sorted", {"urgent": True}).status == 202
    assert client.post("/sorted", FINE).status == 202
    assert (stored(tmp_path, "urgent"), stored(tmp_path, "payments")) == ([{"urgent": True}], [FINE])
    assert_problem(client.post("/sorted", {}), 422, "matches none of the routes")


def test_a_body_for_an_exchange_is_checked_against_the_queues_behind_it(client: Client, tmp_path: Path) -> None:
    assert_problem(client.post("/event", {}), 422, "breaks its schema")
    assert client.post("/event", FINE).status == 202
    assert stored(tmp_path, "events") == [FINE]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("/card", "is required")]),
        ({"card": 5}, [("/card", "must be a string")]),
        ({"card": "x", "amount": 0}, [("/card", "must match"), ("/amount", "must be at least 1")]),
        ({"card": CARD, "cvv": "123"}, [("/cvv", "isn't allowed")]),
        ([], [("", "must be an object")]),
        (None, [("", "must be an object")]),
    ],
)
def test_every_fault_of_a_body_is_told_with_its_place(
    client: Client, tmp_path: Path, body: object, errors: list[tuple[str, str]]
) -> None:
    document = assert_problem(client.post("/pay", body), 422, "schema")
    told = sorted((error["pointer"], error["detail"]) for error in document["errors"])
    assert len(told) == len(errors)
    for (pointer, detail), (wanted_pointer, wanted_detail) in zip(told, sorted(errors), strict=True):
        assert pointer == wanted_pointer
        assert wanted_detail in detail
    assert stored(tmp_path, "payments") == []


@pytest.mark.parametrize("payload", [b"", b"{", b"{'card': 1}", b"\xff", b'{"a":' * 2000])
def test_what_is_no_json_is_400(client: Client, payload: bytes) -> None:
    answer = client.post("/pay", payload[:1000])
    assert_problem(answer, 400, "the body is no JSON")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_415_and_says_which_to_send(client: Client, content_type: str) -> None:
    answer = client.post("/pay", FINE, content_type=content_type)
    assert_problem(answer, 415, "Content-Type: application/json")


def test_the_titles_of_refusals_are_those_of_the_standard_on_every_python(client: Client) -> None:
    too_large = client.post("/pay", {"card": "1" * 1100})
    invalid = client.post("/event", {})
    assert (too_large.json["title"], invalid.json["title"]) == ("Content Too Large", "Unprocessable Content")


def test_a_body_over_the_limit_is_413_and_says_the_limit(client: Client) -> None:
    assert_problem(client.post("/pay", {"card": "1" * 1100}), 413, "larger than 1KiB")


def test_another_path_is_404_and_names_the_routes(client: Client) -> None:
    assert_problem(client.post("/pya", FINE), 404, "POST /pay")


def test_another_method_is_405_and_names_those_that_are_taken(client: Client) -> None:
    answer = client.get("/pay")
    assert_problem(answer, 405, "takes OPTIONS, POST, PUT")
    assert answer.headers["Allow"] == "OPTIONS, POST, PUT"


def test_a_queue_that_is_full_is_503_with_retry_after(client: Client) -> None:
    answers = [client.post("/pay", FINE) for _ in range(4)]
    assert [answer.status for answer in answers] == [202, 202, 202, 503]
    assert_problem(answers[-1], 503, "send it again later")
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_broker_that_is_gone_is_503_and_not_ready(client: Client, broker: Broker) -> None:
    broker.close()
    answer = client.post("/pay", FINE)
    assert_problem(answer, 503, "send it again later")
    assert int(answer.headers["Retry-After"]) > 0
    assert_problem(client.get("/health/ready"), 503, "the broker is away")
    assert client.get("/health/live").status == 200


def test_without_a_consumer_the_intake_is_alive_but_not_ready(client: Client) -> None:
    assert client.get("/health/live").json == {"status": "live"}
    assert_problem(client.get("/health/ready"), 503, "stage take has no consumer on payments")


@pytest.mark.parametrize(
    ("path", "payload"),
    [
        ("/pay", json.dumps({"card": CARD + "9"})),
        ("/pay", json.dumps({"card": int(CARD)})),
        ("/pay", json.dumps({CARD: 1})),
        ("/pay", json.dumps([CARD])),
        ("/pay", f'{{"card": {CARD}'),
        ("/sorted", json.dumps({"number": CARD})),
    ],
)
def test_a_card_number_is_never_echoed(
    client: Client, path: str, payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.post(path, payload.encode())
    assert answer.status in (400, 422)
    assert CARD not in answer.text
    assert CARD not in caplog.text


def test_an_internal_error_is_500_without_its_details(
    client: Client, broker: Broker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode(*_: object, **__: object) -> None:
        raise ValueError(f"secret {CARD}")

    monkeypatch.setattr(broker, "submit", explode)
    answer = client.post("/pay", FINE)
    assert_problem(answer, 500, "an internal error")
    assert "secret" not in answer.text
    assert "internal error on POST /pay" in caplog.text


def test_a_request_without_a_content_type_is_415(client: Client) -> None:
    assert_problem(client.request("POST", "/pay", json.dumps(FINE)), 415, "Content-Type: application/json")


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
    assert_problem(answer, 503, "it may have been stored all the same")
    assert given_up.is_set()


def test_many_requests_at_once_each_get_their_own_answer(client: Client, tmp_path: Path) -> None:
    good = {"urgent": True}
    with ThreadPoolExecutor(16) as pool:
        bodies = [good if number % 3 else {} for number in range(120)]
        answers = list(pool.map(lambda body: client.post("/sorted", body), bodies))
    assert [answer.status for answer in answers] == [202 if body else 422 for body in bodies]
    ids = {answer.json["id"] for answer in answers if answer.status == 202}
    assert ids == {message.id for message in EmbeddedPlace(tmp_path / "broker.db").contents("urgent")}
    assert len(ids) == 80


def test_a_packed_body_is_415(client: Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert_problem(client.request("POST", "/pay", json.dumps(FINE), headers), 415, "without the header Content-Enc")


def test_a_broker_that_was_away_already_has_certainly_not_stored_it(client: Client, broker: Broker) -> None:
    broker.close()
    document = assert_problem(client.post("/pay", FINE), 503, "the message was not taken")
    assert "may have been stored" not in document["detail"]


def test_a_body_that_is_cut_short_is_not_taken(client: Client, tmp_path: Path) -> None:
    with socket.create_connection(("127.0.0.1", client.port)) as connection:
        head = "POST /pay HTTP/1.1\r\nHost: here\r\nContent-Type: application/json\r\nContent-Length: 900\r\n\r\n"
        connection.sendall(head.encode() + json.dumps(FINE).encode())
        connection.shutdown(socket.SHUT_WR)  # and yet it waits for an answer
        assert b" 202 " not in connection.recv(65536)
    assert client.post("/pay", FINE).status == 202
    assert stored(tmp_path, "payments") == [FINE]
