"""Charging a payment once, whatever the gateway does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any, Self

import pytest

from runner import Message, Retry
from runner.message import new_id
from runner.validation.schema import Schema
from stages.gateways import Charge, Declined, Pending, Refused, Result
from stages.gateways.http import HttpGateway
from stages.process_payment import ProcessPayment
from tests.stages.notifications import ORIGINAL, payment
from tests.stages.test_schemas import SCHEMAS

NOTIFICATION = Schema.load(SCHEMAS / "notification.json")
CARD = "4242424242424242"


@pytest.fixture(autouse=True)
def charges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of charges, instead of the one in this checkout."""
    file = tmp_path / "charges.db"
    monkeypatch.setattr("stages.process_payment.CHARGES", file)
    monkeypatch.setitem(ProcessPayment.__init__.__kwdefaults__ or {}, "charges", file)
    return file


def process(message: Message, **settings: Any) -> dict[str, Any]:
    with ProcessPayment(timeout=0.01, **settings) as stage:
        result = stage(message)
    assert NOTIFICATION.is_valid(result)
    assert message.body["cardNo"] not in str(result)
    return result


class Scripted:
    """A gateway of one's own, which answers as it is told and remembers what it was asked."""

    def __init__(self, result: Result) -> None:
        self.result = result
        self.asked: list[Charge] = []
        self.life: list[str] = []

    def __enter__(self) -> Self:
        self.life.append("entered")
        return self

    def __exit__(self, *_: object) -> None:
        self.life.append("left")

    def charge(self, charge: Charge) -> Result:
        self.asked.append(charge)
        return self.result

    def look_up(self, key: str) -> Result | None:
        return None


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


def test_the_same_payment_is_charged_once_in_every_process(charges: Path) -> None:
    here = process(payment())["charge"]["id"]
    program = (
        "import sys; from pathlib import Path; from stages.process_payment import ProcessPayment;"
        "from tests.stages.notifications import payment;"
        "print(ProcessPayment(charges=Path(sys.argv[1]))(payment())['charge']['id'])"
    )
    command = [sys.executable, "-c", program, str(charges)]
    elsewhere = subprocess.run(command, capture_output=True, text=True, check=True)

    assert elsewhere.stdout.strip() == here
    assert process(Message("another", ORIGINAL))["charge"]["id"] != here


def test_a_payment_that_is_not_settled_yet_is_reported_as_pending() -> None:
    pending = process(payment(cardNo="4000000000000077"))
    assert (pending["kind"], pending["card"]) == ("pending", "0077")


# -- A gateway of one's own ---------------------------------------------------------


def told(message: Message, gateway: Scripted) -> dict[str, Any]:
    with ProcessPayment(gateway=gateway) as stage:
        result = stage(message)
        assert gateway.life == ["entered"]
    assert gateway.life == ["entered", "left"]
    assert NOTIFICATION.is_valid(result)
    return result


@pytest.mark.parametrize(
    ("result", "kind", "member"),
    [(Declined("a_code", "A reason."), "declined", "decline"), (Refused("a_code", "A reason."), "refused", "refusal")],
)
def test_what_a_gateway_of_ones_own_refuses_is_reported(result: Result, kind: str, member: str) -> None:
    notification = told(payment(), Scripted(result))
    assert (notification["kind"], notification[member]) == (kind, {"code": "a_code", "reason": "A reason."})


def test_the_charge_has_the_id_of_the_message_as_its_key_and_what_a_late_report_needs() -> None:
    gateway = Scripted(Pending())
    told(payment(cardNo=CARD, expiry="11/29", amount=1999, currency="CHF", reference="Order 1"), gateway)

    [charge] = gateway.asked
    assert (charge.key, charge.card, charge.expiry) == ("0123abcd", CARD, "11/29")
    assert (charge.amount, charge.currency, charge.reference) == (1999, "CHF", "Order 1")
    assert charge.metadata == {
        "paymentId": "0123abcd",
        "user": "test-user@example.com",
        "paymentType": "Credit Card",
        "card": "4242",
        "reference": "Order 1",
    }


def test_a_payment_may_have_a_token_and_the_last_digits_instead_of_a_number() -> None:
    gateway = Scripted(Pending())
    body = {"user": "test-user@example.com", "paymentType": "Credit Card", "token": "pm_1", "card": "4242"}
    notification = told(Message("0123abcd", body), gateway)

    [charge] = gateway.asked
    assert (charge.card, charge.token, notification["card"]) == (None, "pm_1", "4242")


# -- Settings -----------------------------------------------------------------------


def test_the_gateway_by_http_gets_its_settings() -> None:
    stage = ProcessPayment(gateway="http", url="https://gateway.example.com/charges", headers={"X-Key": "secret"})
    assert isinstance(stage.gateway, HttpGateway)


def test_amount_and_currency_default_to_the_settings() -> None:
    assert _money({}, amount=500) == (500, "EUR")
    assert _money({}, amount=500, currency="CHF") == (500, "CHF")
    assert _money({"amount": 1999}, currency="CHF") == (1999, "CHF")
    assert _money({"amount": 1999, "currency": "JPY"}, amount=500, currency="CHF") == (1999, "JPY")
    assert _money({"currency": "JPY"}) == (None, None)


def _money(payment: dict[str, Any], **settings: Any) -> tuple[Any, Any]:
    body = process(Message(new_id(), {**ORIGINAL, **payment}), **settings)
    return body.get("amount"), body.get("currency")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"gateway": "stripe"}, "gateway: 'stripe' is unknown; known: simulated, http"),
        ({"gateway": "http"}, "url must be an https:// URL"),
        ({"gateway": "http", "url": "https://a.example", "latency": 1}, "of no use without gateway: simulated"),
        ({"url": "https://gateway.example.com"}, "url, headers, .* are of no use without gateway: http"),
        ({"headers": {"X-Key": "secret"}}, "url, headers, .* are of no use without gateway: http"),
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
