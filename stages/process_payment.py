"""Charge a validated payment, once, and report the result."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from runner import Message, Retry
from stages.gateways import GATEWAYS, Approved, Charge, Declined, Gateway, GatewayError, GatewayTimeoutError
from stages.notification import notification

_MOST = 99_999_999_999
"""Minor units, as in the schemas."""
_LONGEST = 600


class ProcessPayment:
    """Returns a notification: paid, or declined (an outcome that the payer learns of).

    A gateway that fails or doesn't answer is asked again later with the same
    idempotency key, the payment's id: a card is charged once, however often the
    payment is delivered.

    `gateway`: a name in `stages/gateways.py`. `timeout`: seconds that it may take to
    answer. `amount` (minor units): for a payment that has none; None adds none.
    `currency`: for an amount that has none. `latency`: seconds that the simulated
    gateway takes.
    """

    def __init__(
        self,
        *,
        gateway: str = "simulated",
        currency: str = "EUR",
        amount: int | None = None,
        timeout: float = 5.0,
        latency: float = 0.0,
    ) -> None:
        if not re.fullmatch(r"[A-Z]{3}", currency):
            raise ValueError(f"currency must be an ISO 4217 code, such as EUR, not {currency!r}")
        if amount is not None and not 1 <= amount <= _MOST:
            raise ValueError(f"amount must be from 1 to {_MOST} minor units, not {amount}")
        if not 0 < timeout <= _LONGEST:
            raise ValueError(f"timeout must be more than 0 and at most {_LONGEST} seconds, not {timeout:g}")
        if not 0 <= latency <= _LONGEST:
            raise ValueError(f"latency must be from 0 to {_LONGEST} seconds, not {latency:g}")
        self._currency = currency
        self._amount = amount
        self._gateway = _gateway(gateway, timeout, latency)

    def __call__(self, message: Message) -> dict[str, object]:
        payment = self._with_defaults(message.body)
        match self._charge(message.id, payment):
            case Approved(id, time):
                charge = {"id": id, "time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
                return notification("paid", message.id, payment, charge=charge)
            case Declined(code, reason):
                return notification("declined", message.id, payment, decline={"code": code, "reason": reason})

    def _with_defaults(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """A payment without an amount gets that of the settings, if any: none is invented."""
        amount = payment.get("amount", self._amount)
        currency = None if amount is None else payment.get("currency", self._currency)
        return {**payment, "amount": amount, "currency": currency}

    def _charge(self, payment_id: str, payment: Mapping[str, Any]) -> Approved | Declined:
        charge = Charge(payment_id, payment["cardNo"], payment["amount"], payment["currency"], payment.get("reference"))
        try:
            return self._gateway.charge(charge)
        except GatewayTimeoutError as error:
            reason = f"the gateway gave {error}: whether the card was charged is unknown until it is asked again"
            raise Retry(reason) from error
        except GatewayError as error:
            raise Retry(f"the gateway failed, nothing was charged: {error}") from error


def _gateway(name: str, timeout: float, latency: float) -> Gateway:
    if name not in GATEWAYS:
        raise ValueError(f"gateway: {name!r} is unknown; known: {', '.join(GATEWAYS)}")
    return GATEWAYS[name](timeout=timeout, latency=latency)
