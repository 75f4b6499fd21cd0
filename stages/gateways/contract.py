"""What a stage says to a payment gateway, and what the gateway may answer.

Left out: any gateway. A class with `charge` and `look_up` is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Charge:
    """An order to a gateway. `amount` is in minor units of `currency`; both may be None,
    since the first requests of this system had neither."""

    key: str
    """The idempotency key: the payment's id, the same on every attempt."""
    card: str | None = field(default=None, repr=False)
    """The number of the card to charge."""
    amount: int | None = None
    currency: str | None = None
    reference: str | None = None
    expiry: str | None = None
    """`MM/YY`."""
    token: str | None = field(default=None, repr=False)
    """What stands for a card at the gateway, where the payment has one instead of a number."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """For the gateway to keep with the charge, and to send back with what it reports later."""


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


@dataclass(frozen=True, slots=True)
class Refused:
    """Not charged: the gateway says that the payment itself isn't valid. `code` and `reason` as
    those of `Declined`."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Pending:
    """Taken, and not settled yet: the gateway reports later what became of it."""


Result = Approved | Declined | Refused | Pending
"""What has become of a charge, as far as the gateway knows."""


class Gateway(Protocol):
    """One handler's access to a gateway; it is never called by two threads at once.

    If it is a context manager as well, its handler enters it when the worker starts, and leaves
    it when the worker stops. Both methods raise the orders of a stage:

    - `Retry` if the gateway gave no answer, or none that settles the charge. A time-out or a
      lost connection means *unknown*, never failed: the card may have been charged, and asking
      again with the same key tells. `delay` is for a gateway that says when to come back.
    - `Reject` if it doesn't understand the request: it never will.
    - `Pause` if it takes nothing from us at all, such as after a wrong password.
    """

    def charge(self, charge: Charge) -> Result:
        """Charge a card, once for each `charge.key`, however often this is called."""

    def look_up(self, key: str) -> Result | None:
        """What became of the charge with this key, without charging anything. None: the gateway
        has never charged it."""
