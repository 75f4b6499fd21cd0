"""How a message stands: the resource that a 202 points to."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flask import Response, request

from runner.errors import LedgerError
from runner.intake.gate import known_caller
from runner.intake.problems import RETRY_AFTER, TurnedAway, answer, problem
from runner.intake.register import is_owned, owner
from runner.message import is_usable
from runner.pipeline import HttpRoute

if TYPE_CHECKING:
    from runner.ledger.apikeys import KeyRing
    from runner.ledger.journey import Hop, Journey
    from runner.ledger.ledger import Ledger

OUTCOMES = {
    "published": "queued",
    "begun": "in hand",
    "waiting": "waiting",
    "handled": "handled",
    "left": "passed on",
    "dead": "dead",
    "moved": "sent elsewhere",
    "dropped": "dropped",
}
"""A hop's state, in words for a client."""


class StatusView:
    """One of Flask's view functions. `stages` are the stages of queues, by name; `ring` knows the
    callers where `routes`, whose messages it tells of, ask for an API key. Each caller is told of his own, and
    nobody else is, by no other route either."""

    def __init__(
        self, ledger: Ledger, stages: dict[str, str], routes: Sequence[HttpRoute] = (), ring: KeyRing | None = None
    ) -> None:
        self._ledger = ledger
        self._stages = stages
        self._routes = routes
        self._ring = ring if any(route.auth != "off" for route in routes) else None

    def __call__(self, id: str) -> Response:
        try:
            caller = "" if self._ring is None else known_caller(self._ring, request.headers.get("Authorization"))
        except TurnedAway as turned_away:
            return turned_away.problem
        try:
            journey = self._ledger.journey(id) if is_usable(id) else None
        except LedgerError as error:
            headers = {"Retry-After": str(RETRY_AFTER)}
            return problem(503, "how it stands can't be told now; ask again later", headers=headers, reason=str(error))
        if journey is None or not self._is_told(journey, caller):
            return problem(404, "nothing is known of a message with this id")
        found = answer(200, status_document(journey, self._stages))
        found.add_etag()
        found.headers["Cache-Control"] = "no-cache"
        if journey.under_way:
            found.headers["Retry-After"] = str(_ask_again_after(journey))
        found.make_conditional(request)
        return found

    def _is_told(self, journey: Journey, caller: str) -> bool:
        publishers = {hop.publisher for hop in journey.hops}  # whichever is first: a clock may be behind
        if self._ring is None:
            return not any(is_owned(publisher) for publisher in publishers)
        return not publishers.isdisjoint(owner(route, caller) for route in self._routes)


def status_document(journey: Journey, stages: dict[str, str]) -> dict[str, Any]:
    """What is told of a message; times are in UTC (RFC 3339)."""
    return {
        "id": journey.id,
        "status": journey.standing,
        "accepted_at": _time(journey.accepted_at),
        "changed_at": _time(journey.changed_at),
        "recorded": journey.facts,
        "stages": [_stage(hop, journey.id, stages) for hop in journey.hops],
    }


def _stage(hop: Hop, id: str, stages: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "stage": hop.stage or stages.get(hop.queue),
        "queue": hop.queue,
        "outcome": OUTCOMES[hop.state],
        "attempts": hop.attempts,
        "published_at": _time(hop.published_at),
        "changed_at": _time(hop.changed_at),
    }
    if hop.copy != id:
        found["id"] = hop.copy
    if hop.error and hop.state != "handled":
        found["error"] = hop.error
    if hop.next_at is not None:
        found["next_attempt_at"] = _time(hop.next_at)
    return found


def _ask_again_after(journey: Journey) -> int:
    """Seconds until something may have changed."""
    waits = [hop.next_at - time.time() for hop in journey.hops if hop.next_at is not None]
    only_waits = all(hop.state in ("waiting", "handled", "left") for hop in journey.hops)
    return max(1, math.ceil(min(waits))) if waits and only_waits else 1


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
