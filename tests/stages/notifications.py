"""Messages for the stages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner import Message

ORIGINAL: Mapping[str, Any] = {
    "user": "test-user@example.com",
    "paymentType": "Credit Card",
    "cardNo": "1234567890123456",
}
"""The request that this system was first made for, to the letter."""

OUTCOMES: Mapping[str, Mapping[str, Any]] = {
    "paid": {"charge": {"id": "sim_abc", "time": "2026-11-22T23:45:10Z"}},
    "pending": {},
    "declined": {"decline": {"code": "insufficient_funds", "reason": "The account doesn't hold enough money."}},
    "refused": {"refusal": {"code": "card_expired", "reason": "The card has expired."}},
    "refunded": {"charge": {"id": "sim_abc", "time": "2026-11-25T08:00:00Z"}},
    "disputed": {"charge": {"id": "sim_abc", "time": "2026-11-25T08:00:00Z"}},
}


def payment(**changes: Any) -> Message:
    return Message("0123abcd", {**ORIGINAL, **changes}, queue="payment_queue")


def notification(kind: str = "paid", /, **changes: Any) -> Message:
    body = {
        "kind": kind,
        "paymentId": "0123abcd",
        "user": "test-user@example.com",
        "paymentType": "Credit Card",
        "card": "3456",
        **OUTCOMES[kind],
        **changes,
    }
    return Message("0123abcd", body, queue="notification_queue")
