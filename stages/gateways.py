"""Who charges a card: the contract of a payment gateway, and a simulated one.

To add a real one: write a class with `charge`, and name it in GATEWAYS.
"""

from __future__ import annotations

import threading
import time
from base64 import b32encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Charge:
    """An order to a gateway. `amount` is in minor units of `currency`; both may be None,
    since the first requests of this system had neither."""

    key: str
    """The idempotency key: the payment's id, the same on every attempt."""
    card: str = field(repr=False)
    amount: int | None = None
    currency: str | None = None
    reference: str | None = None


@dataclass(frozen=True, slots=True)
class Approved:
    """Charged. `id` comes from the gateway, and is the same whenever the same key is sent."""

    id: str
    time: datetime
    """Aware, UTC."""


@dataclass(frozen=True, slots=True)
class Declined:
    """Not charged, and asking again won't help. An outcome, not an error."""

    code: str
    """A word for programs: lower-case letters and underscores."""
    reason: str
    """A sentence for the payer."""


class GatewayError(Exception):
    """The gateway failed, and certainly charged nothing."""


class GatewayTimeoutError(GatewayError):
    """The gateway didn't answer: *unknown*, never failed. It may have charged the card;
    asking again with the same key tells."""


class Gateway(Protocol):
    """One handler's access to a gateway; it is never called by two threads at once."""

    def charge(self, charge: Charge) -> Approved | Declined:
        """Charge a card, once for each `charge.key`, however often this is called.

        Waits at most `timeout` seconds (a setting of the gateway). Raises
        GatewayTimeoutError, or GatewayError.
        """


# -- The simulated gateway --------------------------------------------------------

_DECLINES: Mapping[str, Declined] = {
    "4000000000000002": Declined("card_declined", "The bank declined the card."),
    "4000000000009995": Declined("insufficient_funds", "The account doesn't hold enough money."),
    "4000000000000069": Declined("expired_card", "The card has expired."),
    # Don't tell somebody who pays with a stolen card that it is known to be stolen.
    "4000000000009979": Declined("stolen_card", "The bank declined the card."),
}
_FAILS = "4000000000000119"
_FAILS_ONCE = "4000000000005001"
_TIMES_OUT_ONCE = "4000000000005019"


class SimulatedGateway:
    """Answers as a gateway would, and charges nobody. The card decides:

    ================ =======================================================
    4000000000000002 declined
    4000000000009995 declined: insufficient funds
    4000000000000069 declined: expired
    4000000000009979 declined: stolen
    4000000000000119 fails every time (as with a 5xx)
    4000000000005001 fails once for each payment, then approves
    4000000000005019 charges, but its first answer is lost: times out once
    any other        approved
    ================ =======================================================

    `latency` is how many seconds an answer takes; one that takes longer than
    `timeout` is lost, though the card has been charged.

    A charge's id depends on the payment's id alone, so it is the same in every process
    and after a restart. The process remembers which payments have had their one failure.
    """

    _lock = threading.Lock()
    _failed_once: dict[str, None] = {}  # noqa: RUF012 - shared by the handlers of a process, on purpose
    _most_remembered = 10_000

    def __init__(self, *, timeout: float, latency: float = 0.0) -> None:
        self._timeout = timeout
        self._latency = latency

    def charge(self, charge: Charge) -> Approved | Declined:
        answer_lost = charge.card == _TIMES_OUT_ONCE and self._is_first(charge.key)
        self._wait(self._timeout if answer_lost else self._latency)
        if answer_lost or self._latency > self._timeout:
            raise GatewayTimeoutError(f"no answer within {self._timeout:g} s")
        if charge.card == _FAILS or (charge.card == _FAILS_ONCE and self._is_first(charge.key)):
            raise GatewayError("503 Service Unavailable")
        return _DECLINES.get(charge.card) or Approved(_charge_id(charge.key), datetime.now(UTC))

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(min(seconds, self._timeout))

    def _is_first(self, key: str) -> bool:
        with self._lock:
            first = key not in self._failed_once
            self._failed_once[key] = None
            if len(self._failed_once) > self._most_remembered:
                del self._failed_once[next(iter(self._failed_once))]
            return first


def _charge_id(key: str) -> str:
    """Base 32, so that no run of digits in it can be taken for a card number."""
    return "sim_" + b32encode(sha256(key.encode()).digest()[:15]).decode().lower()


GATEWAYS: Mapping[str, Callable[..., Gateway]] = {"simulated": SimulatedGateway}
"""What `gateway:` may name; each is built with `timeout` and `latency`."""
