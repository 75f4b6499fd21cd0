"""The job that is measured: check a payment, turn it into a notification, and check that. All
Python contenders do it with this code, so that they differ only in how they carry messages.

The peers, too, use compiled validators (`jsonschema-rs`), and read and write JSON with
`orjson`: with `jsonschema` and `json` each of them would be slower.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import orjson

ROOT = Path(__file__).parents[1]
PAYMENT_SCHEMA = ROOT / "bench" / "schemas" / "payment.json"
NOTIFICATION_SCHEMA = ROOT / "bench" / "schemas" / "notification.json"

PAYMENT = b'{"user": "test-user@example.com", "paymentType": "Credit Card", "cardNo": "1234567890123456"}'

NOTIFICATION = (
    b'{"kind": "paid", "paymentId": "0123456789abcdef0123456789abcdef", "user": "test-user@example.com",'
    b' "paymentType": "Credit Card", "card": "3456", "amount": 1999, "currency": "EUR",'
    b' "charge": {"id": "ch_0123456789", "time": "2026-01-31T12:00:00Z"}}'
)
"""A notification of the shipped pipeline (schemas/notification.json), for mails."""


def validator(schema: Path) -> Callable[[Any], bool]:
    """Whether a body is valid under a schema, formats included."""
    document = orjson.loads(schema.read_bytes())
    return jsonschema_rs.Draft202012Validator(document, validate_formats=True).is_valid


is_payment = validator(PAYMENT_SCHEMA)
is_notification = validator(NOTIFICATION_SCHEMA)


def check_payment(payment: Any) -> dict[str, Any]:
    """The payment. Raises ValueError if it breaks its schema."""
    if not is_payment(payment):
        raise ValueError("not a payment")
    return payment  # type: ignore[no-any-return]


def check_notification(notification: Any) -> dict[str, Any]:
    """The notification. Raises ValueError if it breaks its schema."""
    if not is_notification(notification):
        raise ValueError("not a notification")
    return notification  # type: ignore[no-any-return]


def notification_of(payment: dict[str, Any], id: str) -> dict[str, Any]:
    """The handler: as little work as a handler can do. Its result is checked, too."""
    return check_notification({"payment": id, "user": payment["user"], "card": payment["cardNo"][-4:]})
