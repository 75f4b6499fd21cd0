"""What a route takes: JSON, unchanged, that satisfies its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.intake.desk import Desk
from runner.intake.problems import TurnedAway
from tests.http_client import Client
from tests.intake.served import CARD, FINE, assert_problem, stored
from tests.pipelines import loaded


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        'Application/JSON; a=b; Charset="UTF-8"',
        "application/x+json",
        "application/json;charset=utf8",
    ],
)
def test_any_json_content_type_is_taken(client: Client, content_type: str) -> None:
    assert client.post("/pay", FINE, content_type=content_type).status == 202


@pytest.mark.parametrize("charset", ["latin-1", '"utf-16"', "ISO-8859-1", "utf-7"])
def test_an_encoding_other_than_utf_8_is_refused(client: Client, charset: str) -> None:
    answer = client.post("/pay", FINE, content_type=f"application/json; charset={charset}")
    assert_problem(answer, 415, "send the body in UTF-8, with the header Content-Type: application/json")


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
def test_every_fault_of_a_body_is_reported_with_its_place(
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
    assert_problem(answer, 400, "the body is not JSON")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx"])
def test_another_content_type_is_415_and_says_which_to_send(client: Client, content_type: str) -> None:
    answer = client.post("/pay", FINE, content_type=content_type)
    assert_problem(answer, 415, "Content-Type: application/json")


def test_a_request_without_a_content_type_is_415(client: Client) -> None:
    assert_problem(client.request("POST", "/pay", json.dumps(FINE)), 415, "Content-Type: application/json")


def test_a_packed_body_is_415(client: Client) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    assert_problem(client.request("POST", "/pay", json.dumps(FINE), headers), 415, "without the header Content-Enc")


def test_without_its_keys_a_route_answers_503_and_keeps_nothing(tmp_path: Path) -> None:
    sealed = {"properties": {"card": {"type": "string", "x-sensitive": {"show": "last4"}}}}
    text = """
        keys: file:no/keys
        broker: BROKER
        http: {routes: {POST /pay: {publish: payments}}}
        queues: {payments: {schema: sealed.json}}
    """
    pipeline = loaded(tmp_path, text, {"sealed.json": sealed})
    assert pipeline.pipeline.http is not None
    with pytest.raises(TurnedAway) as turned_away:
        Desk(pipeline.pipeline.http.routes[0], pipeline).messages(b'{"card": "4111111111111111"}')
    problem = turned_away.value.problem
    assert problem.status_code == 503
    assert problem.headers["Retry-After"] == "5"
    assert "keys" in problem.reason
    assert b"no/keys" not in problem.get_data()
