"""A gateway that charges nobody, for development and tests: the card decides its answer.

Left out: what it remembers (see `charge_log.py`).
"""

from __future__ import annotations

import time
from base64 import b32encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from types import TracebackType
from typing import Self

from runner import Reject, Retry
from stages.gateways.charge_log import ChargeLog, Made
from stages.gateways.contract import Approved, Charge, Declined, Pending, Result

CHARGES = Path(__file__).parents[2] / "var" / "charges.db"
"""The file of charges, below the folder that `stages/` stands in, unless the settings name another."""

_DECLINES: Mapping[str | None, Declined] = {
    "4000000000000002": Declined("card_declined", "The bank declined the card."),
    "4000000000009995": Declined("insufficient_funds", "The account doesn't hold enough money."),
    "4000000000000069": Declined("expired_card", "The card has expired."),
    # Don't tell somebody who pays with a stolen card that it is known to be stolen.
    "4000000000009979": Declined("stolen_card", "The bank declined the card."),
}
_FAILS = "4000000000000119"
_FAILS_ONCE = "4000000000005001"
_TIMES_OUT_ONCE = "4000000000005019"
_FORGETS = "4000000000005027"
_PENDING = "4000000000000077"


class SimulatedGateway:
    """Answers as a gateway would, and charges nobody. The card decides:

    ================ =======================================================
    4000000000000002 declined
    4000000000009995 declined: insufficient funds
    4000000000000069 declined: expired
    4000000000009979 declined: stolen
    4000000000000077 pending: taken, and never settled
    4000000000000119 fails every time (as with a 5xx)
    4000000000005001 fails once for each payment, then approves
    4000000000005019 charges, but its first answer is lost: times out once
    4000000000005027 the same, and its key is forgotten: charges once more
    any other        approved
    ================ =======================================================

    It charges a payment once, whichever process asks, before and after a restart: `charges` is
    the file in which it remembers. `latency` is how many seconds an answer takes; one that takes
    longer than `timeout` is lost, though the card has been charged.
    """

    def __init__(self, *, timeout: float, latency: float = 0.0, charges: Path = CHARGES) -> None:
        self._timeout = timeout
        self._latency = latency
        self._log = ChargeLog(charges)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._log.close()

    def charge(self, charge: Charge) -> Result:
        """As the table says. Raises Retry, or Reject for a key that was used for another charge."""
        with self._log.transaction():
            first = charge.card in (_FAILS_ONCE, _TIMES_OUT_ONCE, _FORGETS) and self._log.is_first_request(charge.key)
            failed = charge.card == _FAILS or (charge.card == _FAILS_ONCE and first)
            result = None if failed else self._result(charge)
        answer_lost = charge.card in (_TIMES_OUT_ONCE, _FORGETS) and first
        self._wait(self._timeout if answer_lost else self._latency)
        if answer_lost or self._latency > self._timeout:
            why = f"the gateway gave no answer within {self._timeout:g} s"
            raise Retry(f"{why}: whether the card was charged is unknown until it is asked again")
        if result is None:
            raise Retry("the gateway failed, nothing was charged: 503 Service Unavailable")
        return result

    def look_up(self, key: str) -> Result | None:
        """The charge that was made with `key`, as long as the file is there, also after the key is
        forgotten. What was declined, or is pending, isn't remembered: None."""
        made = self._log.made(key)
        return Approved(made.id, made.time) if made else None

    def _result(self, charge: Charge) -> Result:
        if (declined := _DECLINES.get(charge.card)) is not None:
            return declined
        if charge.card == _PENDING:
            return Pending()
        made = self._made_again(charge) if charge.card == _FORGETS else self._made_once(charge)
        return Approved(made.id, made.time)

    def _made_once(self, charge: Charge) -> Made:
        made = self._log.made(charge.key)
        if made is not None and not made.is_for(charge):
            raise Reject("the gateway knows this payment's idempotency key from a charge that differs")
        return made or self._log.make(charge, _charge_id(charge.key))

    def _made_again(self, charge: Charge) -> Made:
        before = self._log.count(charge.key)
        return self._log.make(charge, _charge_id(f"{charge.key}.{before}" if before else charge.key))

    def _wait(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(min(seconds, self._timeout))


def _charge_id(key: str) -> str:
    """Base 32, so that no run of digits in it can be taken for a card number."""
    return "sim_" + b32encode(sha256(key.encode()).digest()[:15]).decode().lower()
