"""Charges over HTTP, to a real server that does whatever a gateway may do."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from runner import Pause, Reject, Retry
from stages.gateways import Approved, Charge, Declined
from stages.gateways.http import HttpGateway
from tests.stages.gateways.servers import ScriptedGateway, answer, drips, resets, sends, silent

CARD = "4242424242424242"
CHARGE = Charge("0123abcd", CARD, 1999, "EUR", "Order 1", "11/29", metadata={"user": "a@example.com"})
PAID = answer(201, {"status": "paid", "id": "ch_1"})


def by_http(gateway: ScriptedGateway, **settings: Any) -> HttpGateway:
    return HttpGateway(gateway.url, **{"timeout": 5.0, **settings})


def test_a_charge_is_posted_as_json_with_its_key() -> None:
    with ScriptedGateway(PAID) as gateway:
        result = by_http(gateway, headers={"Authorization": "Bearer secret"}).charge(CHARGE)
        [request] = gateway.requests

    assert isinstance(result, Approved)
    assert result.id == "ch_1"
    assert request.line == "POST /charges HTTP/1.1"
    assert request.headers["idempotency-key"] == "0123abcd"
    assert request.headers["authorization"] == "Bearer secret"
    assert request.headers["content-type"] == "application/json"
    assert request.json == {
        "amount": 1999,
        "currency": "EUR",
        "reference": "Order 1",
        "card": {"number": CARD, "expiry": "11/29"},
        "metadata": {"user": "a@example.com"},
    }


def test_what_a_charge_has_not_is_left_out() -> None:
    with ScriptedGateway(PAID) as gateway:
        by_http(gateway).charge(Charge("key", token="pm_1"))
        assert gateway.requests[0].json == {"token": "pm_1"}


@pytest.mark.parametrize("key", ["a b", "Grüße", 'with "quotes"', "x" * 201, "a\tb"])
def test_a_key_that_no_header_can_have_is_sent_as_its_hash(key: str) -> None:
    with ScriptedGateway(PAID) as gateway:
        by_http(gateway).charge(Charge(key, CARD))
        assert gateway.requests[0].headers["idempotency-key"] == sha256(key.encode()).hexdigest()


@pytest.mark.parametrize(
    "first",
    [silent, drips(b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), resets, sends(), sends(b"garbage"), answer(502, b"<html>")],
)
def test_what_is_unknown_is_asked_again_with_the_same_key(first: Any) -> None:
    with ScriptedGateway(first, PAID) as gateway:
        with pytest.raises(Retry, match="whether the card was charged is unknown until it is asked again") as raised:
            by_http(gateway, timeout=0.3).charge(CHARGE)
        assert isinstance(by_http(gateway).charge(CHARGE), Approved)

        keys = [request.headers["idempotency-key"] for request in gateway.requests]
    assert keys == ["0123abcd", "0123abcd"]
    assert CARD not in f"{raised.value!r} {raised.value.__cause__!r} {raised.value.__context__!r}"


def test_a_redirect_does_not_take_the_card_elsewhere() -> None:
    with ScriptedGateway(PAID) as elsewhere:
        redirect = answer(308, headers={"Location": elsewhere.url})
        with ScriptedGateway(redirect) as gateway, pytest.raises(Pause, match=r"isn't at this address: 308"):
            by_http(gateway).charge(CHARGE)
        assert elsewhere.requests == []


def test_the_answers_are_a_setting() -> None:
    answers = [{"status": 400, "where": {"/code": 7}, "means": "declined"}]
    with ScriptedGateway(answer(400, {"code": 7})) as gateway:
        assert isinstance(by_http(gateway, answers=answers).charge(CHARGE), Declined)


# -- Looking up ---------------------------------------------------------------------


def looking(gateway: ScriptedGateway) -> HttpGateway:
    return by_http(gateway, look_up_url=f"{gateway.url}?key={{key}}")


def test_a_charge_is_looked_up_by_its_key_and_nothing_is_charged() -> None:
    with ScriptedGateway(PAID) as gateway:
        result = looking(gateway).look_up("a/b c")
        [request] = gateway.requests

    assert isinstance(result, Approved)
    assert request.line == f"GET /charges?key={sha256(b'a/b c').hexdigest()} HTTP/1.1"
    assert "idempotency-key" not in request.headers
    assert request.body == b""


def test_a_charge_that_the_gateway_does_not_have_was_never_made() -> None:
    with ScriptedGateway(answer(404, {"error": "no such charge"})) as gateway:
        assert looking(gateway).look_up("key") is None
        assert gateway.requests[0].line == "GET /charges?key=key HTTP/1.1"


@pytest.mark.parametrize("first", [answer(500), answer(200, {"status": "surprise"}), resets])
def test_an_answer_that_says_nothing_does_not_mean_that_there_is_no_charge(first: Any) -> None:
    with ScriptedGateway(first) as gateway, pytest.raises(Retry):
        looking(gateway).look_up("key")


def test_without_an_address_to_ask_nothing_is_known() -> None:
    with pytest.raises(Reject, match="without look_up_url the gateway can't be asked"):
        HttpGateway("https://gateway.example.com", timeout=5).look_up("key")


# -- Settings -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "sentence"),
    [
        ({"Idempotency-Key": "x"}, "headers: 'Idempotency-Key' can't be set here"),
        ({"content-length": "5"}, "headers: 'content-length' can't be set here"),
        ({"A b": "x"}, "headers: 'A b' can't be set here"),
        ({"X-Key": "secret\r\nHost: elsewhere"}, "headers: the value of X-Key must be one line of ASCII"),
        ({"X-Key": "sécret"}, "headers: the value of X-Key must be one line of ASCII"),
    ],
)
def test_headers_that_would_break_the_request_are_refused_without_showing_them(
    headers: Mapping[str, str], sentence: str
) -> None:
    with pytest.raises(ValueError, match=sentence) as raised:
        HttpGateway("https://gateway.example.com", timeout=5, headers=headers)
    assert "cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"look_up_url": "https://gateway.example.com/charges"}, "look_up_url must have {key} in it"),
        ({"look_up_url": "http://gateway.example.com/{key}"}, "look_up_url: card numbers would go"),
        ({"ca_file": Path("nowhere.pem")}, "ca_file: nowhere.pem holds no certificates in PEM form"),
        ({"answers": [{"means": "charged"}]}, "answers: 'means' of entry 1"),
    ],
)
def test_a_setting_that_can_not_work_is_an_error_at_once(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        HttpGateway("https://gateway.example.com", timeout=5, **settings)


def test_a_body_is_plain_json_whatever_the_reference_holds() -> None:
    with ScriptedGateway(PAID) as gateway:
        by_http(gateway).charge(Charge("key", CARD, reference="Grüße \u2028"))
        assert json.loads(gateway.requests[0].body)["reference"] == "Grüße \u2028"
