"""An intake that remembers, in each database, behind both of its servers."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from runner.brokers.base import Broker, Done, GiveUp
from runner.config.loader import LoadedPipeline
from runner.ledger.ledger import Ledger
from runner.message import Outgoing
from tests.http_client import Answer, Client
from tests.intake.served import FINE

PIPELINE = """
    name: test
    broker: BROKER
    ledger: LEDGER
    http:
      listen: 127.0.0.1:0
      confirm_timeout: CONFIRM_TIMEOUT
      routes:
        POST /pay:
          publish: payments
          idempotency: optional
          status: "/payments/{id}"
          headers: [X-Request-ID, traceparent]
        POST /pay-once: {publish: payments, idempotency: required}
        POST /order: {publish: orders, idempotency: {mode: optional, keep: 1h}}
        POST /note: {publish: audit}
        POST /both: {publish: [payments, audit], status: "/payments/{id}"}
    queues:
      payments: {schema: payment.json}
      orders: {}
      audit: {}
    stages:
      take: {consume: payments, handler: "tests.intake.served:ignore"}
"""


class Intake(NamedTuple):
    """What tests ask, and what is behind it."""

    client: Client
    broker: Broker
    ledger: Ledger
    pipeline: LoadedPipeline
    folder: Path

    def post(self, key: str | None = None, body: Any = FINE, *, path: str = "/pay") -> Answer:
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.request("POST", path, payload, headers)

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return self.client.request("GET", path, None, headers)


class Held:
    """A broker that takes messages and confirms nothing, until the test lets it."""

    def __init__(self, broker: Broker, monkeypatch: pytest.MonkeyPatch) -> None:
        self._submit = broker.submit
        self._broker = broker
        self._monkeypatch = monkeypatch
        self.taken: list[tuple[Sequence[Outgoing], Done]] = []
        monkeypatch.setattr(broker, "submit", self._take)

    def _take(self, messages: Sequence[Outgoing], done: Done) -> GiveUp:
        self.taken.append((messages, done))
        return lambda: None

    def let_others_through(self) -> None:
        self._monkeypatch.setattr(self._broker, "submit", self._submit)

    def release(self) -> None:
        """Store what was taken."""
        for messages, done in self.taken:
            self._submit(messages, done)


class Clock:
    """The time of day, which a test may put forward or back."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ahead = 0.0
        now: Callable[[], float] = time.time
        monkeypatch.setattr(time, "time", lambda: now() + self.ahead)
