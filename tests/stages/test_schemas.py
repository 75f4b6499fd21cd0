"""The schemas of the shipped queues: which bodies they allow, and which they don't."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.validation.schema import Schema
from tests.stages.notifications import ORIGINAL, notification

SCHEMAS = Path(__file__).parents[2] / "schemas"
PAYMENT = Schema.load(SCHEMAS / "payment.json")
NOTIFICATION = Schema.load(SCHEMAS / "notification.json")
PAN = "4111111111111111"


def test_the_original_request_is_valid_to_the_letter() -> None:
    assert PAYMENT.is_valid(ORIGINAL)


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 1999, "currency": "EUR", "reference": "Order 2026-1138"},
        {"amount": 1},
        {"amount": 99_999_999_999},
        {"expiry": "11/29"},
        {"reference": "Grüße, 3 × Käse"},
        {"reference": "x" * 140},
        {"cardNo": "1" * 12},
        {"cardNo": "1" * 19},
        {"paymentType": "Bitcoin"},
        {"paymentType": "x" * 40},
        {"user": "o'hara+shop@mail.example.co.uk"},
        {"user": "someone@localhost"},
        {"user": "49170123456@sms.example.com"},
        {"reference": "12.11.2026 - 15.11.2026"},
        {"user": "someone@xn--bcher-kva.example"},
    ],
)
def test_a_payment_may_have(changes: dict[str, Any]) -> None:
    assert PAYMENT.is_valid({**ORIGINAL, **changes})


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"user": "nobody"}, "/user"),
        ({"user": ""}, "/user"),
        ({"user": "a@example.com, b@example.com"}, "/user"),
        ({"user": "a@example.com,b@example.com"}, "/user"),
        ({"user": "a@example.com\r\nBcc: b@example.com"}, "/user"),
        ({"user": "a@example.com\n"}, "/user"),
        ({"user": "A <a@example.com>"}, "/user"),
        ({"user": '"a b"@example.com'}, "/user"),
        ({"user": "ü@example.com"}, "/user"),
        ({"user": "a" * 60 + "@" + "b." * 100 + "example.com"}, "/user"),
        ({"user": None}, "/user"),
        ({"user": f"{PAN}@example.com"}, "/user"),
        ({"user": "4111.1111.1111.1111@example.com"}, "/user"),
        ({"user": "shop+4111_1111/1111-1111@example.com"}, "/user"),
        ({"user": "41111111@1111.1111.example.com"}, "/user"),
        ({"user": f"a@{PAN}.example.com"}, "/user"),
        ({"cardNo": "1" * 11}, "/cardNo"),
        ({"cardNo": "1" * 20}, "/cardNo"),
        ({"cardNo": "1234 5678 9012 3456"}, "/cardNo"),
        ({"cardNo": "1234567890123456\n"}, "/cardNo"),
        ({"cardNo": "١٢٣٤٥٦٧٨٩٠١٢٣٤٥٦"}, "/cardNo"),
        ({"cardNo": 1234567890123456}, "/cardNo"),
        ({"paymentType": ""}, "/paymentType"),
        ({"paymentType": "x" * 41}, "/paymentType"),
        ({"paymentType": "Credit\r\nCard"}, "/paymentType"),
        ({"paymentType": PAN}, "/paymentType"),
        ({"expiry": "13/29"}, "/expiry"),
        ({"expiry": "2029-11"}, "/expiry"),
        ({"expiry": "1/29"}, "/expiry"),
        ({"amount": 0}, "/amount"),
        ({"amount": 19.99}, "/amount"),
        ({"amount": "1999"}, "/amount"),
        ({"amount": 100_000_000_000}, "/amount"),
        ({"currency": "eur"}, "/currency"),
        ({"currency": "EURO"}, "/currency"),
        ({"reference": "x" * 141}, "/reference"),
        ({"reference": "a\x00b"}, "/reference"),
        ({"reference": "a\nb"}, "/reference"),
        ({"reference": "a\x85b"}, "/reference"),
        ({"reference": "a\u2028b"}, "/reference"),
        ({"reference": f"paid by {PAN}"}, "/reference"),
        ({"reference": "4111-1111-1111-1111"}, "/reference"),
        ({"reference": "4111 1111 1111 1111"}, "/reference"),
    ],
)
def test_a_payment_may_not_have(changes: dict[str, Any], pointer: str) -> None:
    assert pointer in [fault.pointer for fault in PAYMENT.violations({**ORIGINAL, **changes})]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"reference": f"paid by {PAN}"}, "must not have 12 or more digits: they could be a card number"),
        ({"user": f"{PAN}@example.com"}, "must not have 12 or more digits: they could be a card number"),
        ({"user": "a@example.com,b@example.com"}, "must be one bare e-mail address in ASCII, without a name"),
        ({"reference": "a\nb"}, "must be one line of text, without control characters"),
    ],
)
def test_a_payer_is_told_in_words_what_the_patterns_rule_out(changes: dict[str, Any], detail: str) -> None:
    assert detail in [fault.detail for fault in PAYMENT.violations({**ORIGINAL, **changes})]


@pytest.mark.parametrize(
    "name", ["surprise", "cvv", "cvv2", "cvc", "cvc2", "cvn", "cid", "csc", "securityCode", "pin", "track2"]
)
def test_an_unknown_member_is_refused_above_all_a_security_code_and_never_repeated(name: str) -> None:
    faults = PAYMENT.violations({**ORIGINAL, name: "987"})

    assert faults
    assert all("987" not in str(fault) for fault in faults)


@pytest.mark.parametrize("name", ["user", "paymentType", "cardNo"])
def test_a_payment_lacks_something_without(name: str) -> None:
    body = {member: value for member, value in ORIGINAL.items() if member != name}

    assert [fault.pointer for fault in PAYMENT.violations(body)] == [f"/{name}"]


@pytest.mark.parametrize("kind", ["paid", "pending", "declined", "refused", "refunded", "disputed"])
def test_each_kind_of_notification_is_valid(kind: str) -> None:
    assert NOTIFICATION.is_valid(notification(kind).body)
    assert NOTIFICATION.is_valid(notification(kind, amount=1999, currency="EUR", reference="Order 1138").body)


@pytest.mark.parametrize(("kind", "member"), [("paid", "charge"), ("declined", "decline"), ("refused", "refusal")])
def test_a_notification_says_why_as_its_kind_demands_and_nothing_else(kind: str, member: str) -> None:
    body = notification(kind).body
    without = {name: value for name, value in body.items() if name != member}

    assert not NOTIFICATION.is_valid(without)
    others = {"charge", "decline", "refusal"} - {member}
    for other, outcome in [(o, notification(k).body[o]) for k, o in _MEMBERS.items() if o in others]:
        assert not NOTIFICATION.is_valid({**body, other: outcome})


_MEMBERS = {"paid": "charge", "declined": "decline", "refused": "refusal"}


def test_only_a_refusal_is_routed_as_one() -> None:
    refused = Schema({"required": ["refusal"]})

    assert [kind for kind in _MEMBERS if refused.is_valid(notification(kind).body)] == ["refused"]


@pytest.mark.parametrize(
    "changes",
    [
        {"card": PAN},
        {"card": "345"},
        {"card": "3456\n"},
        {"cardNo": PAN},
        {"reference": PAN},
        {"paymentType": f"Card {PAN}"},
        {"refusal": {"code": "card_number", "reason": f"{PAN} is wrong"}},
        {"refusal": {"code": PAN, "reason": "wrong"}},
        {"kind": "pending"},
        {"amount": 1999},
        {"user": "a@example.com, b@example.com"},
        {"user": f"{PAN}@example.com"},
    ],
)
def test_a_notification_may_not_have(changes: dict[str, Any]) -> None:
    assert not NOTIFICATION.is_valid(notification("refused", **changes).body)


_SEPARATORS = st.sampled_from(["", " ", "-", ".", "  ", "/", "_", ",", "--", "\u00a0", "\t", " \u2013", "•"])


@given(st.text("0123456789", min_size=12, max_size=19), _SEPARATORS, st.text(max_size=20), st.text(max_size=20))
def test_no_text_on_either_queue_can_hold_a_card_number(number: str, separator: str, before: str, after: str) -> None:
    text = before + separator.join(number) + after

    assert not PAYMENT.is_valid({**ORIGINAL, "reference": text})
    assert not NOTIFICATION.is_valid(notification("paid", reference=text).body)
    assert not NOTIFICATION.is_valid(notification("refused", refusal={"code": "x", "reason": text}).body)
