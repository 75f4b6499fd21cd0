"""An observer for tests: it records what it sees."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

from runner.events import Failure, Observer
from runner.message import Delivery, Outgoing


class Seen(NamedTuple):
    event: str
    at: str
    """The stage, the queue or the route."""
    id: str
    more: tuple[Any, ...] = ()


class Journal(Observer):
    """Writes down whatever it is told, a line for each message."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.seen: list[Seen] = []

    def of(self, message: str, *events: str) -> list[tuple[str, str]]:
        """What happened to one message, and where; of `events` only."""
        return [(seen.event, seen.at) for seen in self.seen if seen.id == message and seen.event in events]

    def only(self, event: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.event == event]

    def note(self, event: str, at: str, id: str = "", *more: Any) -> None:
        with self._lock:
            self.seen.append(Seen(event, at, id, more))

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:
        for message in messages:
            self.note("accepted", route, message.id, seconds)

    def repeated(self, route: str) -> None:
        self.note("repeated", route)

    def refused(
        self, route: str, status: int, reason: str, seconds: float = 0.0, traceparent: str | None = None
    ) -> None:
        self.note("refused", route, "", status, reason)

    def published(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            self.note("published", str(message.destination), message.id)

    def confirmed(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            self.note("confirmed", str(message.destination), message.id)

    def taken(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.note("taken", stage, delivery.id)

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        self.note("handled", stage, delivery.id, [str(message.destination) for message in messages], seconds)

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        self.note("retried", stage, delivery.id, failure, delay)

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        self.note("dead", stage, delivery.id, failure)

    def held(self, stage: str, delivery: Delivery, reason: str, delay: float) -> None:
        self.note("held", stage, delivery.id, reason, delay)

    def unfinished(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.note("unfinished", stage, delivery.id)

    def paused(self, stage: str, reason: str, delay: float) -> None:
        self.note("paused", stage, "", reason, delay)

    def resumed(self, stage: str) -> None:
        self.note("resumed", stage)

    def waiting(self, broker: str, reason: str) -> None:
        self.note("waiting", broker, "", reason)

    def connected(self, broker: str, again: bool) -> None:
        self.note("connected", broker, "", again)

    def disconnected(self, broker: str, reason: str, mends: bool) -> None:
        self.note("disconnected", broker, "", reason, mends)

    def blocked(self, broker: str, reason: str) -> None:
        self.note("blocked", broker, "", reason)

    def unblocked(self, broker: str) -> None:
        self.note("unblocked", broker)

    def ledger_away(self, reason: str) -> None:
        self.note("ledger_away", "", "", reason)

    def recorded(self, records: int, seconds: float) -> None:
        self.note("recorded", "", "", records, seconds)

    def ledger_back(self) -> None:
        self.note("ledger_back", "")

    def interrupted(self, broker: str, reason: str) -> None:
        self.note("interrupted", broker, "", reason)
