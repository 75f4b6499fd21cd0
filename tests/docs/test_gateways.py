"""docs/gateways.md: its example charges tokens by a double of Stripe, which answers as Stripe's API does."""

from __future__ import annotations

import json
import re
import socket
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from runner import Message, Pause, Reject, Retry
from runner.validation.schema import Schema
from tests.docs.pages import ROOT, sections
from tests.stages.gateways.servers import Script, ScriptedGateway, answer, resets

NOTIFICATION = Schema.load(ROOT / "schemas/notification.json")
PAYMENT = {
    "user": "test-user@example.com",
    "paymentType": "Credit Card",
    "token": "pm_card_visa",
    "card": "4242",
    "amount": 1999,
    "currency": "EUR",
}


class Stripe:
    """What is charged, once for each key; the token decides, as Stripe's test tokens do."""

    def __init__(self) -> None:
        self.intents: dict[str, dict[str, Any]] = {}
        self.charged: list[dict[str, str]] = []

    def __call__(self, gateway: ScriptedGateway, connection: socket.socket) -> None:
        request = gateway.requests[-1]
        if request.headers["authorization"] != "Bearer sk_test_1":
            answer(401, {"error": {"type": "invalid_request_error"}})(gateway, connection)
        elif request.line.startswith("GET"):
            query = parse_qs(urlsplit(request.line.split()[1]).query)["query"][0]
            found = [intent for key, intent in self.intents.items() if query == f"metadata['paymentId']:'{key}'"]
            answer(200, {"object": "search_result", "data": found})(gateway, connection)
        else:
            form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
            self._charge(request.headers["idempotency-key"], form)(gateway, connection)

    def _charge(self, key: str, form: dict[str, str]) -> Script:
        if form["payment_method"] == "pm_card_chargeDeclined":
            error = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
            return answer(402, {"error": {**error, "message": "Your card was declined."}})
        if key not in self.intents:
            self.charged.append(form)
            status = "processing" if form["payment_method"] == "pm_slow" else "succeeded"
            self.intents[key] = {"id": f"pi_{len(self.charged)}", "object": "payment_intent", "status": status}
        return answer(200, self.intents[key])


@pytest.fixture(scope="module")
def example() -> Iterator[ModuleType]:
    """stages/stripe.py as the page has it."""
    code = next(
        block.text
        for section in sections(ROOT / "docs/gateways.md")
        for block in section.blocks
        if block.argument == "stages/stripe.py"
    )
    module = ModuleType("stages.stripe")
    sys.modules["stages.stripe"] = module
    exec(compile(code, "docs/gateways.md", "exec"), vars(module))
    yield module
    del sys.modules["stages.stripe"]


@pytest.fixture
def stripe() -> Stripe:
    return Stripe()


def process(example: ModuleType, gateway: ScriptedGateway, *, key: str = "sk_test_1", **changes: Any) -> dict[str, Any]:
    with example.ProcessByStripe(api_key=key, url=f"http://localhost:{gateway.port}") as stage:
        result: dict[str, Any] = stage(Message("0123abcd", {**PAYMENT, **changes}))
    assert NOTIFICATION.is_valid(result)
    return result


def test_a_token_is_charged_and_the_payer_is_told(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway:
        paid = process(example, gateway)
        [request] = gateway.requests

    assert (paid["kind"], paid["charge"]["id"], paid["card"]) == ("paid", "pi_1", "4242")
    [form] = stripe.charged
    assert (form["amount"], form["currency"], form["payment_method"]) == ("1999", "eur", "pm_card_visa")
    assert form["metadata[paymentId]"] == request.headers["idempotency-key"] == "0123abcd"


def test_an_answer_that_is_lost_is_asked_for_again_and_charges_once(example: ModuleType, stripe: Stripe) -> None:
    def lost(gateway: ScriptedGateway, connection: socket.socket) -> None:
        stripe._charge("0123abcd", {"payment_method": "pm_card_visa"})
        resets(gateway, connection)

    with ScriptedGateway(lost, stripe) as gateway:
        with pytest.raises(Retry, match="unknown"):
            process(example, gateway)
        assert process(example, gateway)["charge"]["id"] == "pi_1"
    assert len(stripe.charged) == 1


def test_a_decline_is_an_outcome_with_stripes_own_words(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway:
        declined = process(example, gateway, token="pm_card_chargeDeclined")
    assert declined["decline"] == {"code": "generic_decline", "reason": "Your card was declined."}


def test_what_is_not_settled_is_pending(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway:
        assert process(example, gateway, token="pm_slow")["kind"] == "pending"


def test_a_charge_is_looked_up_by_the_payments_id(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway:
        by = example.Stripe(api_key="sk_test_1", url=f"http://localhost:{gateway.port}")
        assert by.look_up("0123abcd") is None
        process(example, gateway)
        assert by.look_up("0123abcd").id == "pi_1"
    assert len(stripe.charged) == 1


def test_a_wrong_key_pauses_the_stage(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway, pytest.raises(Pause, match="refuses us: 401"):
        process(example, gateway, key="sk_test_2")
    with ScriptedGateway(stripe) as gateway, pytest.raises(Pause, match="refuses us: 401"):
        example.Stripe(api_key="sk_test_2", url=f"http://localhost:{gateway.port}").look_up("key")


def test_a_payment_without_a_token_is_rejected(example: ModuleType, stripe: Stripe) -> None:
    with ScriptedGateway(stripe) as gateway, pytest.raises(Reject, match="needs a token"):
        process(example, gateway, token=None)


def test_the_request_that_is_shown_is_the_one_that_is_sent() -> None:
    page = (ROOT / "docs/gateways.md").read_text(encoding="utf-8")
    [body] = re.findall(r"^Idempotency-Key: .*\n\n((?:.+\n)+)```$", page, re.MULTILINE)
    assert list(json.loads(body.replace(", …", ""))) == ["amount", "currency", "reference", "card", "metadata"]
