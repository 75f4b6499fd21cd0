"""Charging a payment once, whatever the gateway does."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from runner import Message, Retry
from runner.validation.schema import Schema
from stages.gateways import Charge
from stages.process_payment import ProcessPayment
from tests.stages.notifications import ORIGINAL, payment
from tests.stages.test_schemas import SCHEMAS

NOTIFICATION = Schema.load(SCHEMAS / "notification.json")


def process(message: Message, **settings: Any) -> dict[str, Any]:
    result = ProcessPayment(**{"timeout": 0.01, **settings})(message)
    assert NOTIFICATION.is_valid(result)
    assert message.body["cardNo"] not in str(result)
    return result


def test_the_original_request_is_paid_and_no_amount_is_invented() -> None:
    paid = process(payment())

    assert (paid["kind"], paid["user"], paid["card"]) == ("paid", "test-user@example.com", "3456")
    assert paid["paymentId"] == "0123abcd"
    assert "amount" not in paid
    assert "currency" not in paid


@pytest.mark.parametrize(
    ("card", "code", "reason"),
    [
        ("4000000000000002", "card_declined", "The bank declined the card."),
        ("4000000000009995", "insufficient_funds", "The account doesn't hold enough money."),
        ("4000000000000069", "expired_card", "The card has expired."),
        ("4000000000009979", "stolen_card", "The bank declined the card."),
    ],
)
def test_a_decline_is_an_outcome_that_is_reported(card: str, code: str, reason: str) -> None:
    declined = process(payment(cardNo=card))

    assert declined["kind"] == "declined"
    assert declined["decline"] == {"code": code, "reason": reason}


def test_a_gateway_that_fails_is_asked_again_later() -> None:
    for _ in range(3):
        with pytest.raises(Retry, match="nothing was charged: 503"):
            process(payment(cardNo="4000000000000119"))


@pytest.mark.parametrize(
    ("card", "why"), [("4000000000005001", "503"), ("4000000000005019", "unknown until it is asked again")]
)
def test_a_failure_that_passes_ends_in_one_charge_whichever_handler_tries_again(card: str, why: str) -> None:
    message = Message(f"once-{why}", {**ORIGINAL, "cardNo": card})

    with pytest.raises(Retry, match=why):
        process(message)
    assert process(message)["charge"]["id"] == process(message)["charge"]["id"]


def test_an_answer_that_takes_longer_than_the_timeout_is_lost() -> None:
    with pytest.raises(Retry, match=r"no answer within 0\.01 s"):
        process(payment(), latency=30)


def test_the_same_payment_is_charged_once_in_every_process() -> None:
    here = process(payment())["charge"]["id"]
    program = (
        "from stages.process_payment import ProcessPayment; from tests.stages.notifications import payment;"
        "print(ProcessPayment()(payment())['charge']['id'])"
    )
    elsewhere = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert elsewhere.stdout.strip() == here
    assert process(Message("another", ORIGINAL))["charge"]["id"] != here


def test_amount_and_currency_default_to_the_settings() -> None:
    assert _money(process(payment(), amount=500)) == (500, "EUR")
    assert _money(process(payment(), amount=500, currency="CHF")) == (500, "CHF")
    assert _money(process(payment(amount=1999), currency="CHF")) == (1999, "CHF")
    assert _money(process(payment(amount=1999, currency="JPY"), amount=500, currency="CHF")) == (1999, "JPY")
    assert _money(process(payment(currency="JPY"))) == (None, None)


def _money(body: dict[str, Any]) -> tuple[Any, Any]:
    return body.get("amount"), body.get("currency")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"gateway": "stripe"}, "gateway: 'stripe' is unknown; known: simulated"),
        ({"currency": "euro"}, "currency must be an ISO 4217 code, such as EUR, not 'euro'"),
        ({"amount": 0}, "amount must be from 1 to 99999999999 minor units, not 0"),
        ({"timeout": 0}, "timeout must be more than 0 and at most 600 seconds, not 0"),
        ({"timeout": float("inf")}, "timeout must be more than 0 and at most 600 seconds, not inf"),
        ({"latency": -1}, "latency must be from 0 to 600 seconds, not -1"),
    ],
)
def test_a_wrong_setting_is_said_to_be_so(wrong: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ProcessPayment(**wrong)


def test_no_card_number_shows_in_a_charge_or_in_what_went_wrong() -> None:
    assert "4242" not in repr(Charge("key", "4242424242424242"))
    with pytest.raises(Retry) as raised:
        process(payment(cardNo="4000000000000119"))
    assert "4000" not in f"{raised.value!r} {raised.value.__cause__!r}"
