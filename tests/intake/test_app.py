"""A request becomes messages on their queues; only then is 202 answered."""

from __future__ import annotations

import json
from pathlib import Path

from runner.brokers.base import Broker
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Client
from tests.intake.served import FINE, assert_problem, stored


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
