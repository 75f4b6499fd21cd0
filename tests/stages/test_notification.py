"""The body on notification_queue, made from a payment."""

from __future__ import annotations

import pytest

from runner.validation.schema import Schema
from stages.notification import KINDS, Kind, notification
from tests.stages.notifications import ORIGINAL, OUTCOMES
from tests.stages.test_schemas import SCHEMAS

NOTIFICATION = Schema.load(SCHEMAS / "notification.json")
CARD = ORIGINAL["cardNo"]


@pytest.mark.parametrize("kind", KINDS)
def test_each_outcome_is_reported_as_its_schema_asks_and_only_with_the_cards_last_digits(kind: Kind) -> None:
    body = notification(kind, "0123abcd", {**ORIGINAL, "cvv": "123"}, **OUTCOMES[kind])
    assert NOTIFICATION.violations(body) == ()
    assert (body["kind"], body["paymentId"], body["card"]) == (kind, "0123abcd", CARD[-4:])
    assert CARD not in str(body)
    assert "cvv" not in body


def test_what_was_ordered_is_reported_as_far_as_it_is_known() -> None:
    payment = {**ORIGINAL, "amount": 1999, "currency": "EUR", "reference": None}
    body = notification("paid", "0123abcd", payment, **OUTCOMES["paid"])
    assert (body["amount"], body["currency"]) == (1999, "EUR")
    assert "reference" not in body


def test_an_amount_of_nobody_knows_what_is_left_out() -> None:
    payment = {**ORIGINAL, "amount": 1999, "currency": None, "reference": "R-1"}
    body = notification("paid", "0123abcd", payment, **OUTCOMES["paid"])
    assert NOTIFICATION.is_valid(body)
    assert body["reference"] == "R-1"
    assert not {"amount", "currency"} & set(body)
