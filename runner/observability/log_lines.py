"""The observer that writes the log: a line for each event that interests an operator.

Left out: how a line looks (`logs`), and failures that aren't events: code that meets
something that must not happen logs it there, with its traceback.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence

from runner.events import Failure, Observer
from runner.message import Delivery
from runner.topology import dead_letter_queue
from runner.units import format_duration
from runner.wording import one_line

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

    def refused(self, route: str, status: int, reason: str) -> None:
        if status == 503 and self._due(route, LOG_EVERY):
            _intake.warning("answering 503: %s", reason)

    def waiting(self, broker: str, reason: str) -> None:  # noqa: ARG002 - the reason names it
        _broker.warning("waiting for the broker: %s", reason)

    def connected(self, broker: str, again: bool) -> None:
        if again:
            _broker.info("connected to %s again", broker)

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:  # noqa: ARG002 - the reason names it
        if mends:
            _broker.warning("the connection to the broker is lost: %s; connecting again", reason)
        else:
            _broker.error("the broker is not available: %s", reason)

    def blocked(self, broker: str, reason: str) -> None:  # noqa: ARG002 - there is one
        _broker.warning("the broker takes no messages now: %s", reason)

    def unblocked(self, broker: str) -> None:  # noqa: ARG002 - there is one
        _broker.info("the broker takes messages again")

    def interrupted(self, broker: str, reason: str) -> None:  # noqa: ARG002 - there is one
        _broker.warning("%s; declaring again", reason)

    def ledger_away(self, reason: str) -> None:
        _ledger.warning("the ledger is away, and is waited for: %s", reason)

    def ledger_back(self) -> None:
        _ledger.info("the ledger is back")

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        what = f"{_described(delivery, failure)}; again in {format_duration(delay)}"
        _worker.warning("%s: %s%s", stage, what, _appended(failure.traceback))

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        what = f"{_described(delivery, failure)}; moved to {dead_letter_queue(delivery.queue)}"
        _worker.error("%s: %s%s", stage, what, _appended(failure.traceback))

    def held(self, stage: str, delivery: Delivery, reason: str, delay: float) -> None:
        if self._due(stage, LOG_HELD_EVERY):
            what = one_line(f"{_name(delivery)}: {reason[:LONGEST_REASON]}")
            _worker.error("%s: %s; held, and tried again every %g s", stage, what, delay)

    def unfinished(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        named = ", ".join(one_line(_name(delivery)) for delivery in deliveries[:MOST_NAMED])
        more = f" and {len(deliveries) - MOST_NAMED} more" if len(deliveries) > MOST_NAMED else ""
        if deliveries:
            _worker.warning("%s: still busy with %s%s, which will be delivered again", stage, named, more)
        else:
            _worker.warning("%s: a handler doesn't end, though it has nothing in hand", stage)

    def paused(self, stage: str, reason: str, delay: float) -> None:
        _worker.error("%s is paused for %g s: %s", stage, delay, reason)

    def resumed(self, stage: str) -> None:
        _worker.info("%s resumes", stage)

    def cannot_start(self, part: str, reason: str) -> None:  # noqa: ARG002 - the reason says what to mend
        _supervisor.error("%s", reason)

    def killed(self, part: str, pid: int) -> None:  # noqa: ARG002 - the part is enough
        _supervisor.error("%s still runs; killing it. %s", part, _LEFT.get(part, _LEFT_BY_WORKER))

    def stopped(self, part: str, pid: int, status: int, was_up: bool, again: float | None) -> None:  # noqa: ARG002 - the part is enough
        if again is None:
            return
        if again == 0:
            _supervisor.info("%s has made way for a fresh one", part)
            return
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        when = "" if was_up else " before it was up"
        _supervisor.error("%s %s%s; restarting it in %g s", part, how, when, again)

    def _due(self, about: str, every: float) -> bool:
        """Whether to log again about this, which happens often."""
        now = time.monotonic()
        due = now - self._logged.get(about, -every) > every
        if due:
            self._logged[about] = now
        return due


_LEFT_BY_WORKER = "What it had in hand is delivered again"
_LEFT = {
    "console": "It had nothing in hand",
    "health": "It had nothing in hand",
    "intake": "Requests without an answer have to be sent again",
    "mailbox": "Mails without an answer are sent again",
}
"""What becomes of a killed part's work."""


def _name(delivery: Delivery) -> str:
    return f"{delivery.queue} message {delivery.id}"


def _described(delivery: Delivery, failure: Failure) -> str:
    """Which message, and what went wrong, in one line."""
    attempt, attempts = failure.attempt, failure.attempts
    count = f"attempt {attempt} of {attempts}" if attempt <= attempts else f"after {attempt} attempts"
    return one_line(f"{_name(delivery)}, {count}: {failure.reason[:LONGEST_REASON]}")


def _appended(traceback: str) -> str:
    return f"\n{traceback}" if traceback else ""
