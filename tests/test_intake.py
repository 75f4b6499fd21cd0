"""The intake, asked by HTTP as its users do; behind it a real broker."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from runner.brokers import connect
from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.intake import create_app
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.pipelines import loaded

PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      max_body: 1KiB
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
      take: {consume: payments, handler: "tests.test_intake:ignore"}
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
    broker = connect(pipeline.pipeline, "test")
    broker.start(plan(pipeline.pipeline))
    yield broker
    broker.close()


@pytest.fixture
def app(pipeline: LoadedPipeline, broker: Broker) -> Flask:
    return create_app(pipeline, broker)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def stored(tmp_path: Path, queue: str) -> list[Any]:
    return [json.loads(message.payload) for message in EmbeddedPlace(tmp_path / "broker.db").contents(queue)]


def assert_problem(answer: TestResponse, status: int, detail: str) -> Any:
    assert (answer.status_code, answer.mimetype) == (status, "application/problem+json"), answer.text
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert detail in document["detail"]
    return document


def test_a_good_body_is_on_its_queue_when_202_is_answered(client: FlaskClient, tmp_path: Path) -> None:
    answer = client.post("/pay", json=FINE)
    assert (answer.status_code, answer.mimetype) == (202, "application/json")
    assert set(answer.json or {}) == {"id", "status"}
    (message,) = EmbeddedPlace(tmp_path / "broker.db").contents("payments")
    assert (message.id, json.loads(message.payload)) == ((answer.json or {})["id"], FINE)
    assert "Location" not in answer.headers, "nothing would answer there yet"


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "application/x+json"])
def test_any_json_content_type_is_taken(client: FlaskClient, content_type: str) -> None:
    assert client.post("/pay", data=json.dumps(FINE), content_type=content_type).status_code == 202


def test_each_method_has_a_route_of_its_own(client: FlaskClient) -> None:
    assert client.put("/pay", json=FINE).status_code == 202


def test_a_route_may_publish_to_several_queues(client: FlaskClient, tmp_path: Path) -> None:
    assert client.post("/both", json=FINE).status_code == 202
    assert stored(tmp_path, "payments") == stored(tmp_path, "audit") == [FINE]


def test_a_route_may_sort_bodies(client: FlaskClient, tmp_path: Path) -> None:
    assert client.post("/sorted", json={"urgent": True}).status_code == 202
    assert client.post("/sorted", json=FINE).status_code == 202
    assert (stored(tmp_path, "urgent"), stored(tmp_path, "payments")) == ([{"urgent": True}], [FINE])
    assert_problem(client.post("/sorted", json={}), 422, "matches none of the routes")


def test_a_body_for_an_exchange_is_checked_against_the_queues_behind_it(client: FlaskClient, tmp_path: Path) -> None:
    assert_problem(client.post("/event", json={}), 422, "breaks its schema")
    assert client.post("/event", json=FINE).status_code == 202
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
    client: FlaskClient, tmp_path: Path, body: object, errors: list[tuple[str, str]]
) -> None:
    document = assert_problem(
        client.post("/pay", data=json.dumps(body), content_type="application/json"), 422, "schema"
    )
    told = sorted((error["pointer"], error["detail"]) for error in document["errors"])
    assert len(told) == len(errors)
    for (pointer, detail), (wanted_pointer, wanted_detail) in zip(told, sorted(errors), strict=True):
        assert pointer == wanted_pointer
        assert wanted_detail in detail
    assert stored(tmp_path, "payments") == []


@pytest.mark.parametrize("payload", [b"", b"{", b"{'card': 1}", b"\xff", b'{"a":' * 2000])
def test_what_is_no_json_is_400(client: FlaskClient, payload: bytes) -> None:
    answer = client.post("/pay", data=payload[:1000], content_type="application/json")
    assert_problem(answer, 400, "the body is no JSON")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"])
def test_another_content_type_is_415_and_says_which_to_send(client: FlaskClient, content_type: str) -> None:
    answer = client.post("/pay", data=json.dumps(FINE), content_type=content_type)
    assert_problem(answer, 415, "Content-Type: application/json")


def test_a_body_over_the_limit_is_413_and_says_the_limit(client: FlaskClient) -> None:
    assert_problem(client.post("/pay", json={"card": "1" * 1100}), 413, "larger than 1KiB")


def test_another_path_is_404_and_names_the_routes(client: FlaskClient) -> None:
    assert_problem(client.post("/pya", json=FINE), 404, "POST /pay")


def test_another_method_is_405_and_names_those_that_are_taken(client: FlaskClient) -> None:
    answer = client.get("/pay")
    assert_problem(answer, 405, "takes OPTIONS, POST, PUT")
    assert answer.headers["Allow"] == "OPTIONS, POST, PUT"


def test_a_queue_that_is_full_is_503_with_retry_after(client: FlaskClient) -> None:
    answers = [client.post("/pay", json=FINE) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 202, 503]
    assert_problem(answers[-1], 503, "send it again later")
    assert int(answers[-1].headers["Retry-After"]) > 0


def test_a_broker_that_is_gone_is_503_and_not_ready(client: FlaskClient, broker: Broker) -> None:
    broker.close()
    answer = client.post("/pay", json=FINE)
    assert_problem(answer, 503, "send it again later")
    assert int(answer.headers["Retry-After"]) > 0
    assert_problem(client.get("/health/ready"), 503, "the broker is away")
    assert client.get("/health/live").status_code == 200


def test_without_a_consumer_the_intake_is_alive_but_not_ready(client: FlaskClient) -> None:
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
    client: FlaskClient, path: str, payload: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = client.post(path, data=payload, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert CARD not in answer.text
    assert CARD not in caplog.text


def test_an_internal_fault_is_500_without_its_details(
    app: Flask, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def explode() -> str:
        raise ValueError(f"secret {CARD}")

    app.add_url_rule("/explode", view_func=explode)
    answer = app.test_client().get("/explode")
    assert_problem(answer, 500, "an internal fault")
    assert "secret" not in answer.text
    assert "internal fault on GET /explode" in caplog.text
