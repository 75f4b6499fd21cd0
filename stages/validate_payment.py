"""Is a payment worth taking to a gateway?

The queue's schema has already checked what a JSON Schema can express (members, types,
lengths). This checks the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from runner import Message
from stages.cards import is_expired, open_number, passes_luhn
from stages.notification import notification

_LAST_TO_TURN_THE_PAGE = timezone(timedelta(hours=-12))
"""A card is accepted as long as its month lasts anywhere on earth: the gateway has the last word."""

_LONGEST_REASON = 300
"""Characters, as in the schema of notifications."""


class ValidatePayment:
    """Returns the payment itself if it is valid; otherwise a notification with a `refusal`,
    to be routed by `when: {required: [refusal]}`. A refusal is an outcome, not a fault:
    the payer learns of it.

    `payment_types`: the accepted types, as they should be written; case and spaces don't
    matter in a payment (`creditcard` is a `Credit Card`).
    `test_cards`: card numbers that are accepted although their check digit is wrong.
    """

    def __init__(
        self,
        *,
        payment_types: Sequence[str] = ("Credit Card", "Debit Card"),
        test_cards: Sequence[str] = (),
    ) -> None:
        self._payment_types = {_plain(name): name for name in payment_types}
        if not self._payment_types or "" in self._payment_types:
            raise ValueError("payment_types must list at least one name, and none that is empty")
        self._types_taken = f"We don't take this type of payment, only: {', '.join(self._payment_types.values())}."
        if len(self._types_taken) > _LONGEST_REASON:
            raise ValueError("payment_types must be few enough for a sentence that names them, of 300 characters")
        self._test_cards = frozenset(test_cards)

    def __call__(self, message: Message) -> dict[str, object]:
        payment: Mapping[str, Any] = message.body
        refusal = self._refusal(payment)
        if refusal is not None:
            code, reason = refusal
            return notification("refused", message.id, payment, refusal={"code": code, "reason": reason})
        valid = {**payment, "paymentType": self._payment_types[_plain(payment["paymentType"])]}
        if "amount" in valid:
            valid["amount"] = int(valid["amount"])  # 1999.0 is an integer in JSON Schema's eyes
        return valid

    def _refusal(self, payment: Mapping[str, Any]) -> tuple[str, str] | None:
        """A word for programs and a sentence for the payer, which never contains the number."""
        if _plain(payment["paymentType"]) not in self._payment_types:
            return "payment_type", self._types_taken
        number = open_number(payment["cardNo"])
        if not (passes_luhn(number) or number in self._test_cards):
            return "card_number", "The card number is not right. Please check its digits."
        if "expiry" in payment and is_expired(payment["expiry"], datetime.now(_LAST_TO_TURN_THE_PAGE).date()):
            return "card_expired", "The card has expired."
        return None


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()
