"""Charge a validated payment, once, and report the result."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import UTC
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from runner import Message
from stages.cards import open_number
from stages.gateways import Approved, Charge, Declined, Gateway, Pending, Refused, Result
from stages.gateways.simulated import CHARGES, SimulatedGateway
from stages.notification import card_of, notification

_MOST = 99_999_999_999
"""Minor units, as in the schemas."""
_LONGEST = 600


class ProcessPayment:
    """Returns a notification: paid, declined, refused or pending (outcomes that the payer learns of).

    A gateway that fails or doesn't answer is asked again later with the same
    idempotency key, the payment's id: a card is charged once, however often the
    payment is delivered.

    `gateway`: `simulated`, `http`, or from Python a gateway of one's own (`docs/gateways.md`).
    `currency`: for an amount that has none. `amount` (minor units): for a payment that has
    none; None adds none. `timeout`: seconds that the gateway may take to answer; None: 5 for
    the simulated one, 30 by HTTP.

    Of the simulated gateway: `latency`, the seconds that it takes, and `charges`, the file in
    which it remembers. By HTTP: `url`, `headers`, `answers`, `look_up_url`, `ca_file`,
    as `HttpGateway` explains.
    """

    def __init__(
        self,
        *,
        gateway: str | Gateway = "simulated",
        currency: str = "EUR",
        amount: int | None = None,
        timeout: float | None = None,
        latency: float = 0.0,
        charges: Path = CHARGES,
        url: str = "",
        headers: Mapping[str, str] | None = None,
        answers: Sequence[Mapping[str, Any]] | None = None,
        look_up_url: str = "",
        ca_file: Path | None = None,
    ) -> None:
        _check(currency, amount, timeout, latency)
        self._currency = currency
        self._amount = amount
        self._left = ExitStack()
        http = {"headers": headers, "answers": answers, "look_up_url": look_up_url, "ca_file": ca_file}
        if gateway != "http" and (url or any(http.values())):
            raise ValueError(f"url, {', '.join(http)} are of no use without gateway: http")
        if gateway != "simulated" and (latency or charges != CHARGES):
            raise ValueError("latency and charges are of no use without gateway: simulated")
        if gateway == "simulated":
            self.gateway: Gateway = SimulatedGateway(timeout=timeout or 5.0, latency=latency, charges=charges)
        elif gateway == "http":
            self.gateway = _http(url, timeout or 30.0, http)
        elif isinstance(gateway, str):
            raise ValueError(f"gateway: {gateway!r} is unknown; known: simulated, http")
        else:
            self.gateway = gateway

    def __enter__(self) -> Self:
        if isinstance(self.gateway, AbstractContextManager):
            self._left.enter_context(self.gateway)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.close()

    def __call__(self, message: Message) -> dict[str, object]:
        payment = self._with_defaults(message.body)
        return told(self.gateway.charge(_charge(message.id, payment)), message.id, payment)

    def look_up(self, message: Message) -> dict[str, object] | None:
        """The result for a payment that may have been charged, without charging it; None: it was not."""
        result = self.gateway.look_up(message.id)
        return None if result is None else told(result, message.id, self._with_defaults(message.body))

    def is_pending(self, result: Mapping[str, object]) -> bool:
        """Whether the gateway decides later."""
        return result["kind"] == "pending"

    def _with_defaults(self, payment: Mapping[str, Any]) -> dict[str, Any]:
        """A payment without an amount gets that of the settings, if any: none is invented."""
        amount = payment.get("amount", self._amount)
        currency = None if amount is None else payment.get("currency", self._currency)
        return {**payment, "amount": amount, "currency": currency}


def told(result: Result, payment_id: str, payment: Mapping[str, Any]) -> dict[str, object]:
    """What the payer learns of `result`."""
    match result:
        case Approved(id, time):
            charge = {"id": id, "time": f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"}
            return notification("paid", payment_id, payment, charge=charge)
        case Declined(code, reason):
            return notification("declined", payment_id, payment, decline={"code": code, "reason": reason})
        case Refused(code, reason):
            return notification("refused", payment_id, payment, refusal={"code": code, "reason": reason})
        case Pending():
            return notification("pending", payment_id, payment)


def _charge(payment_id: str, payment: Mapping[str, Any]) -> Charge:
    """The metadata is what a notification needs: a gateway that sends it back with what it
    reports later saves us a memory of our own."""
    told = {name: payment.get(name) for name in ("user", "paymentType", "reference")}
    metadata = {"paymentId": payment_id, "card": card_of(payment), **told}
    return Charge(
        payment_id,
        open_number(payment["cardNo"]) if "cardNo" in payment else None,
        payment["amount"],
        payment["currency"],
        payment.get("reference"),
        payment.get("expiry"),
        payment.get("token"),
        {name: value for name, value in metadata.items() if value is not None},
    )


def _http(url: str, timeout: float, settings: Mapping[str, Any]) -> Gateway:
    """Imports late: the simulated gateway needs no HTTP, and `runner check` builds every handler."""
    from stages.gateways.http import HttpGateway

    return HttpGateway(url, timeout=timeout, **settings)


def _check(currency: str, amount: int | None, timeout: float | None, latency: float) -> None:
    if not re.fullmatch(r"[A-Z]{3}", currency):
        raise ValueError(f"currency must be an ISO 4217 code, such as EUR, not {currency!r}")
    if amount is not None and not 1 <= amount <= _MOST:
        raise ValueError(f"amount must be from 1 to {_MOST} minor units, not {amount}")
    if timeout is not None and not 0 < timeout <= _LONGEST:
        raise ValueError(f"timeout must be more than 0 and at most {_LONGEST} seconds, not {timeout:g}")
    if not 0 <= latency <= _LONGEST:
        raise ValueError(f"latency must be from 0 to {_LONGEST} seconds, not {latency:g}")
