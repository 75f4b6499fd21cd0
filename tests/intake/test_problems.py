"""Answers to what is refused: a status, a sentence, and nothing of what was sent."""

from __future__ import annotations

import json
import logging

import pytest

from runner.brokers.base import Broker
from runner.intake.problems import problem
from tests.http_client import Client
from tests.intake.served import CARD, FINE, assert_problem


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


def test_a_broker_that_was_away_already_has_certainly_not_stored_it(client: Client, broker: Broker) -> None:
    broker.close()
    document = assert_problem(client.post("/pay", FINE), 503, "the message was not taken")
    assert "may have been stored" not in document["detail"]


def test_the_titles_of_refusals_are_those_of_the_standard_on_every_python(client: Client) -> None:
    too_large = client.post("/pay", {"card": "1" * 1100})
    invalid = client.post("/event", {})
    assert (too_large.json["title"], invalid.json["title"]) == ("Content Too Large", "Unprocessable Content")


def test_a_card_number_is_masked_in_whatever_a_problem_says() -> None:
    found = problem(400, f"no use for {CARD}", reason=f"{CARD} again")
    assert found.json is not None
    assert (found.json["detail"], found.reason) == ("no use for ••••1111", "••••1111 again")
