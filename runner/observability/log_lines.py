"""The observer that writes the log: a line for each event that interests an operator.

Left out: how a line looks (`logs`), and failures that aren't events: code that meets
something that must not happen logs it there, with its traceback.
"""

from __future__ import annotations

import logging
import math
import signal
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from runner.events import Failure, Observer
from runner.message import Delivery, Outgoing
from runner.observability.logs import TRACEBACK
from runner.privacy.masking import mask_and_cut
from runner.topology import dead_letter_queue
from runner.units import format_duration
from runner.wording import facts, one_line, paused

LOG_EVERY = 5.0
"""Seconds between lines about requests to the same route that were answered 503: under load,
one line per request would say no more."""
LOG_HELD_EVERY = 30.0
"""Seconds between lines about deliveries of the same stage that are held."""
MOST_NAMED = 20
"""Messages in one line."""
LONGEST_REASON = 1_000
"""Characters."""

_intake = logging.getLogger("runner.intake")
_worker = logging.getLogger("runner.worker")
_broker = logging.getLogger("runner.broker")
_ledger = logging.getLogger("runner.ledger")
_supervisor = logging.getLogger("runner.supervisor")


class LogLines(Observer):
    """Logs what goes wrong, what is given up, and what works again."""

    def __init__(self) -> None:
        self._logged: dict[str, float] = {}
        """When a 503 of a route, or what a stage holds, was last logged (monotonic)."""

    def refused(
        self,
        route: str,
        status: int,
        reason: str,
        seconds: float = 0.0,  # noqa: ARG002 - an Observer
        traceparent: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        if status == 503 and self._due(route, LOG_EVERY):
            _intake.warning("answering 503: %s", reason, extra=facts(route=route, status=status, reason=reason))

    def waiting(self, broker: str, reason: str) -> None:
        _broker.warning("waiting for the broker: %s", reason, extra=facts(broker=broker, reason=reason))

    def connected(self, broker: str, again: bool) -> None:
        if again:
            _broker.info("connected to %s again", broker, extra=facts(broker=broker))

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:
        known = facts(broker=broker, reason=reason)
        if mends:
            _broker.warning("the connection to the broker is lost: %s; connecting again", reason, extra=known)
        else:
            _broker.error("the broker is not available: %s", reason, extra=known)

    def blocked(self, broker: str, reason: str) -> None:
        _broker.warning("the broker takes no messages now: %s", reason, extra=facts(broker=broker, reason=reason))

    def unblocked(self, broker: str) -> None:
        _broker.info("the broker takes messages again", extra=facts(broker=broker))

    def interrupted(self, broker: str, reason: str) -> None:
        _broker.warning("%s; declaring again", reason, extra=facts(broker=broker, reason=reason))

    def ledger_away(self, reason: str) -> None:
        _ledger.warning("the ledger is away, and is waited for: %s", reason, extra=facts(reason=reason))

    def ledger_back(self) -> None:
        _ledger.info("the ledger is back")

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        what = f"{_described(delivery, failure)}; again in {format_duration(delay)}"
        again = datetime.fromtimestamp(time.time() + delay, UTC).isoformat(timespec="milliseconds")
        known = facts(**_facts(stage, delivery, failure), outcome="retried", delay=delay, next_retry=again)
        _worker.warning("%s: %s%s", stage, what, _appended(failure.traceback), extra=known)

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        to = dead_letter_queue(delivery.queue)
        known = facts(**_facts(stage, delivery, failure), outcome="dead", moved_to=to)
        what = f"{_described(delivery, failure)}; moved to {to}"
        _worker.error("%s: %s%s", stage, what, _appended(failure.traceback), extra=known)

    def held(self, stage: str, delivery: Delivery, reason: str, delay: float) -> None:
        if self._due(stage, LOG_HELD_EVERY):
            what = one_line(f"{_name(delivery)}: {mask_and_cut(reason, LONGEST_REASON)}")
            known = facts(stage=stage, queue=delivery.queue, id=delivery.id, outcome="held", reason=reason, delay=delay)
            _worker.error("%s: %s; held, and tried again every %g s", stage, what, delay, extra=known)

    def unfinished(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        named = ", ".join(one_line(_name(delivery)) for delivery in deliveries[:MOST_NAMED])
        more = f" and {len(deliveries) - MOST_NAMED} more" if len(deliveries) > MOST_NAMED else ""
        if deliveries:
            known = facts(stage=stage, outcome="unfinished", ids=[one.id for one in deliveries[:MOST_NAMED]])
            _worker.warning("%s: still busy with %s%s, which will be delivered again", stage, named, more, extra=known)
        else:
            _worker.warning("%s: a handler doesn't end, though it has nothing in hand", stage, extra=facts(stage=stage))

    def paused(self, stage: str, reason: str, delay: float) -> None:
        known = facts(stage=stage, reason=reason, delay=None if delay == math.inf else delay)
        if delay == math.inf:
            _worker.error("%s is %s; 'runner resume %s' ends that", stage, paused(reason), stage, extra=known)
        else:
            _worker.error("%s is paused for %g s: %s", stage, delay, reason, extra=known)

    def resumed(self, stage: str) -> None:
        _worker.info("%s resumes", stage, extra=facts(stage=stage))

    def cannot_start(self, part: str, reason: str) -> None:
        _supervisor.error("%s", reason, extra=facts(process=part, reason=reason))

    def killed(self, part: str, pid: int) -> None:
        left = _LEFT.get(part, _LEFT_BY_WORKER)
        _supervisor.error("%s still runs; killing it. %s", part, left, extra=facts(process=part, pid=pid))

    def stopped(self, part: str, pid: int, status: int, was_up: bool, again: float | None) -> None:
        if again is None:
            return
        known = facts(process=part, pid=pid, status=status, delay=again)
        if again == 0:
            _supervisor.info("%s has made way for a fresh one", part, extra=known)
            return
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        when = "" if was_up else " before it was up"
        _supervisor.error("%s %s%s; restarting it in %g s", part, how, when, again, extra=known)

    def _due(self, about: str, every: float) -> bool:
        """Whether to log again about this, which happens often."""
        now = time.monotonic()
        due = now - self._logged.get(about, -every) > every
        if due:
            self._logged[about] = now
        return due


class Successes(Observer):
    """Logs, for `debug`, what goes well: a line for each request and each message."""

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:
        ids = [message.id for message in messages]
        known = facts(route=route, status=202, id=ids[0], outcome="accepted", seconds=round(seconds, 6))
        what = one_line(ids[0])
        _intake.debug("%s: message %s is accepted, after %.1f ms", route, what, seconds * 1000, extra=known)

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        to = [str(message.destination) for message in messages]
        known = facts(
            stage=stage,
            queue=delivery.queue,
            id=delivery.id,
            attempt=delivery.attempt,
            outcome="handled",
            seconds=round(seconds, 6),
            published_to=to or None,
        )
        where = f"; published to {', '.join(dict.fromkeys(to))}" if to else ""
        what = one_line(f"{_name(delivery)}, attempt {delivery.attempt}: handled in {seconds * 1000:.1f} ms{where}")
        _worker.debug("%s: %s", stage, what, extra=known)


_LEFT_BY_WORKER = "What it had in hand is delivered again"
_LEFT = {
    "alerts": "It had nothing in hand",
    "console": "It had nothing in hand",
    "health": "It had nothing in hand",
    "intake": "Requests without an answer have to be sent again",
    "mailbox": "Mails without an answer are sent again",
}
"""What becomes of a killed part's work."""


def _name(delivery: Delivery) -> str:
    return f"{delivery.queue} message {delivery.id}"


def _facts(stage: str, delivery: Delivery, failure: Failure) -> dict[str, object]:
    """What is known of a delivery that failed."""
    return {
        "stage": stage,
        "queue": delivery.queue,
        "id": delivery.id,
        "attempt": failure.attempt,
        "attempts": failure.attempts,
        "error": failure.error,
        "reason": failure.reason,
        TRACEBACK: failure.traceback,
    }


def _described(delivery: Delivery, failure: Failure) -> str:
    """Which message, and what went wrong, in one line."""
    attempt, attempts = failure.attempt, failure.attempts
    count = f"attempt {attempt} of {attempts}" if attempt <= attempts else f"after {attempt} attempts"
    return one_line(f"{_name(delivery)}, {count}: {failure.reason}")


def _appended(traceback: str) -> str:
    return f"\n{traceback}" if traceback else ""
