"""The body on notification_queue (`schemas/notification.json`): what the payer learns.

Made in one place, so that one look shows that no card number gets into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from stages.cards import last_four

Kind = Literal["paid", "pending", "declined", "refused", "refunded", "disputed"]
KINDS: tuple[Kind, ...] = get_args(Kind)


def notification(kind: Kind, payment_id: str, payment: Mapping[str, Any], **more: object) -> dict[str, object]:
    """What became of `payment`. `more` has the member that goes with `kind`:
    charge, decline or refusal.

    `payment` has the card's number (`cardNo`), or only its last digits (`card`).

    Leaves out an amount without a currency: only a gateway may decide what it is worth.
    """
    price = {name: payment.get(name) for name in ("amount", "currency")}
    told = {} if None in price.values() else price
    if payment.get("reference") is not None:
        told["reference"] = payment["reference"]
    return {
        "kind": kind,
        "paymentId": payment_id,
        "user": payment["user"],
        "paymentType": payment["paymentType"],
        "card": card_of(payment),
        **told,
        **more,
    }


def card_of(payment: Mapping[str, Any]) -> str:
    """The last four digits of the card that pays."""
    return last_four(payment["cardNo"] if "cardNo" in payment else payment["card"])
