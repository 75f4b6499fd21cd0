"""Who posts to a route, and whether that is too often: asked before anything of a body is read.

A caller is known by an API key (RFC 6750). Where a route asks for none, an address counts as one
caller for its rate limit. Left out: signed requests (see `signatures`), which are known by their body.
"""

from __future__ import annotations

import math
import re
import time
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, NamedTuple

from runner.intake.problems import TurnedAway, ledger_away, problem
from runner.intake.promise import Promise
from runner.pipeline import HttpRoute, RateLimit
from runner.units import format_rate

if TYPE_CHECKING:
    from runner.errors import LedgerError
    from runner.ledger.apikeys import KeyRing
    from runner.ledger.ledger import Ledger
    from runner.ledger.rates import Spent

_BEARER = re.compile(r"bearer +([!-~]{1,512})", re.IGNORECASE)
"""One key: RFC 9110, section 11.4, takes the scheme in any case."""
MOST_REFUSED = 10_000
"""Callers beyond their limit that a process knows without asking the ledger."""
_SITE = 64
"""Bits of an IPv6 address that are one site's (RFC 4291, section 2.5.4): it has all the addresses below."""


class Admitted(NamedTuple):
    """A request that may go on."""

    caller: str
    """Empty where the route asks nobody who he is."""
    headers: dict[str, str]
    """Of its answer, whatever that is."""


class Gate:
    """What stands before one route. `ring` knows its callers; None: it takes anybody."""

    def __init__(self, route: HttpRoute, ledger: Ledger, ring: KeyRing | None) -> None:
        self._ring = ring
        self._limit = None if route.rate_limit is None else Limit(str(route), route.rate_limit, ledger)

    def admit(self, authorization: str | None, address: str) -> Promise[Admitted]:
        """A request with this header, from this address. Raises TurnedAway: 401, 429, 503; so
        does the promise."""
        caller = "" if self._ring is None else known_caller(self._ring, authorization)
        if self._limit is not None:
            return self._limit.spend(caller, caller or site_of(address))
        admitted: Promise[Admitted] = Promise()
        admitted.keep(Admitted(caller, {}))
        return admitted


def known_caller(ring: KeyRing, authorization: str | None) -> str:
    """Who sends a request with this header; of several such headers it is the list. Raises TurnedAway."""
    if ring.away:
        raise ledger_away(ring.away)
    if authorization is None:
        raise _stranger("this address needs the header Authorization: Bearer, with an API key", "")
    found = _BEARER.fullmatch(authorization.strip(" \t"))
    caller = ring.caller(found[1]) if found is not None else None
    if caller is None:
        raise _stranger("the API key in the header Authorization: Bearer is none that is valid here", "invalid_token")
    return caller


def _stranger(detail: str, error: str) -> TurnedAway:
    challenge = f'Bearer error="{error}"' if error else "Bearer"
    return TurnedAway(problem(401, detail, headers={"WWW-Authenticate": challenge}))


class Limit:
    """The rate limit of one route."""

    def __init__(self, route: str, rate: RateLimit, ledger: Ledger) -> None:
        self._rate = rate
        self._ledger = ledger
        self._name = f"{route} {format_rate(rate.requests, rate.seconds)}"
        self._policy = f'"default";q={rate.requests};w={rate.seconds}'
        self._refused: dict[str, float] = {}
        """Until when (monotonic) callers are refused, without asking again: time only brings it nearer."""

    def spend(self, caller: str, spender: str) -> Promise[Admitted]:
        """Let `caller` through, at the cost of `spender`. Raises TurnedAway; so does the promise."""
        left = self._refused.get(spender, 0.0) - time.monotonic()
        if left > 0:
            raise self._too_many(left)
        if self._ledger.away:
            raise ledger_away(self._ledger.away)
        admitted: Promise[Admitted] = Promise()

        def told(spent: Spent | None, error: LedgerError | None) -> None:
            if spent is None:
                admitted.fail(ledger_away(str(error)))
            elif spent.is_let_through:
                admitted.keep(Admitted(caller, self._headers(spent.remaining, spent.reset)))
            else:
                self._remember(spender, spent.reset)
                admitted.fail(self._too_many(spent.reset))

        self._ledger.spend(self._name, spender, self._rate, told)
        return admitted

    def _remember(self, spender: str, seconds: float) -> None:
        if len(self._refused) >= MOST_REFUSED:
            self._refused.clear()
        self._refused[spender] = time.monotonic() + seconds

    def _headers(self, remaining: int, reset: float) -> dict[str, str]:
        """As in draft-ietf-httpapi-ratelimit-headers."""
        left = f'"default";r={remaining};t={max(1, math.ceil(reset))}'
        return {"RateLimit-Policy": self._policy, "RateLimit": left}

    def _too_many(self, seconds: float) -> TurnedAway:
        rate = format_rate(self._rate.requests, self._rate.seconds)
        headers = {**self._headers(0, seconds), "Retry-After": str(max(1, math.ceil(seconds)))}
        return TurnedAway(problem(429, f"there are more requests than {rate}; send it again later", headers=headers))


def site_of(address: str) -> str:
    """The part of a client's address (`host:port`, or only the host) that one client has for itself."""
    host = address if address.count(":") > 1 and not address.startswith("[") else address.rpartition(":")[0] or address
    try:
        found = ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return host
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(IPv6Network((found, _SITE), strict=False))
    return str(found.ipv4_mapped or found) if isinstance(found, IPv6Address) else str(found)
