"""The body on notification_queue (`schemas/notification.json`): what a payer is told.

Made in one place, so that there is one place to see that no card number gets into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from stages.cards import last_four

_TOLD = ("amount", "currency", "reference")


def notification(kind: str, payment_id: str, payment: Mapping[str, Any], **more: object) -> dict[str, object]:
    """What became of `payment`. `kind` is paid, declined or refused, and `more` has the
    member that goes with it: charge, decline or refusal."""
    told = {name: payment[name] for name in _TOLD if payment.get(name) is not None}
    return {
        "kind": kind,
        "paymentId": payment_id,
        "user": payment["user"],
        "paymentType": payment["paymentType"],
        "card": last_four(payment["cardNo"]),
        **told,
        **more,
    }
