"""A request becomes messages on their queues; only then is 202 answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.brokers.base import Broker
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer, Client
from tests.intake.remembering import Intake
from tests.intake.served import CARD, FINE, assert_problem, stored


def test_a_good_body_is_on_its_queue_when_202_is_answered(client: Client, tmp_path: Path) -> None:
    answer = client.post("/pay", FINE)
    assert (answer.status, answer.mimetype) == (202, "application/json")
    assert set(answer.json) == {"id", "status"}
    (message,) = EmbeddedPlace(tmp_path / "broker.db").contents("payments")
    assert (message.id, json.loads(message.payload)) == (answer.json["id"], FINE)
    assert "Location" not in answer.headers, "nothing would answer there yet"


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


def test_a_body_over_the_limit_is_413_and_says_the_limit(client: Client) -> None:
    assert_problem(client.post("/pay", {"card": "1" * 1100}), 413, "larger than 1KiB")


def test_a_broker_that_is_gone_is_503_and_not_ready(client: Client, broker: Broker) -> None:
    broker.close()
    answer = client.post("/pay", FINE)
    assert_problem(answer, 503, "send it again later")
    assert int(answer.headers["Retry-After"]) > 0
    assert_problem(client.get("/health/ready"), 503, "the broker is away")
    assert client.get("/health/live").status == 200


def test_the_headers_that_a_route_names_travel_with_its_message_and_no_others(intake: Intake) -> None:
    given = {"X-Request-ID": "r-1", "Traceparent": "00-4bf92f35-00f0-01", "X-Other": "stays", "Cookie": "a=b"}
    assert sent(intake, given).status == 202
    assert kept_headers(intake) == [{"http-x-request-id": "r-1", "http-traceparent": "00-4bf92f35-00f0-01"}]


def test_a_card_number_in_a_header_is_masked_before_it_is_stored(intake: Intake) -> None:
    assert sent(intake, {"X-Request-ID": f"for {CARD}"}).status == 202
    assert kept_headers(intake) == [{"http-x-request-id": "for ****1111"}]


def test_a_header_that_is_too_long_is_400_and_nothing_is_stored(intake: Intake) -> None:
    assert_problem(sent(intake, {"X-Request-ID": "a" * 1_025}), 400, "the header X-Request-ID has 1,025 characters")
    assert kept_headers(intake) == []


@pytest.mark.parametrize("value", ["\xc2\x84", "r\xe9sum\xe9", "\xff"])
def test_a_header_that_is_no_ascii_is_400_and_not_taken_for_an_empty_one(intake: Intake, value: str) -> None:
    assert_problem(sent(intake, {"X-Request-ID": value}), 400, "the header X-Request-ID must be printable ASCII")
    assert sent(intake, {"X-Request-ID": ""}).status == 202
    assert kept_headers(intake) == [{"http-x-request-id": ""}]


def test_a_request_without_them_is_stored_without_headers(intake: Intake) -> None:
    assert sent(intake, {}).status == 202
    assert kept_headers(intake) == [{}]


def sent(intake: Intake, headers: dict[str, str]) -> Answer:
    return intake.client.request("POST", "/pay", json.dumps(FINE), {"Content-Type": "application/json", **headers})


def kept_headers(intake: Intake) -> list[dict[str, Any]]:
    return [message.headers for message in EmbeddedPlace(intake.folder / "broker.db").contents("payments")]
