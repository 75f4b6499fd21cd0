"""The shipped payment stage, charging over HTTP by a gateway that has a bad day."""

from __future__ import annotations

import socket
import threading
from collections import Counter

from tests.stages.gateways.servers import ScriptedGateway, answer, resets
from tests.system.conftest import Start
from tests.system.program import ROOT
from tests.waiting import wait_until

PIPELINE = f"""
name: test
broker: "BROKER"
ledger: sqlite:ledger.db
shutdown_timeout: 10s
http:
  listen: 127.0.0.1:PORT
  routes:
    POST /work: {{publish: payments}}
queues:
  payments: {{schema: {ROOT}/schemas/payment.json}}
  notifications: {{schema: {ROOT}/schemas/notification.json}}
stages:
  charge:
    consume: payments
    handler: stages.process_payment:ProcessPayment
    settings: {{gateway: http, url: URL, timeout: 2}}
    once: true
    reveal: [cardNo]
    concurrency: 4
    retry: {{attempts: 15, delay: 100ms, factor: 1}}
    breaker: {{failures: 5, pause: 300ms}}
    publish: notifications
keys: file:keys
"""
CARD = "4242424242424242"
PAYMENT = {"user": "test-user@example.com", "paymentType": "Credit Card", "cardNo": CARD, "amount": 1999}


class Gateway:
    """Charges once for each key. While it is `away`, it answers 503; after that it loses each first answer."""

    def __init__(self) -> None:
        self.away = True
        self.charged: Counter[str] = Counter()
        self._lost: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, gateway: ScriptedGateway, connection: socket.socket) -> None:
        request = gateway.requests[-1]
        key = request.headers["idempotency-key"]
        with self._lock:
            first = key not in self._lost
            if not self.away:
                self._lost.add(key)
                self.charged[key] += first
        if self.away:
            answer(503, {"error": "later"}, headers={"Retry-After": "0"})(gateway, connection)
        elif first:
            resets(gateway, connection)
        else:
            answer(201, {"status": "paid", "id": f"ch_{key}"})(gateway, connection)


def test_a_gateway_that_is_away_and_then_loses_answers_costs_no_payment_and_charges_each_once(prepare: Start) -> None:
    double = Gateway()
    with ScriptedGateway(double) as gateway:
        program = prepare(PIPELINE.replace("URL", gateway.url))
        program.start("--processes", "2")
        ids = {program.post(PAYMENT).body["id"] for _ in range(30)}
        wait_until(lambda: program.log.count("charge is paused for 0.3 s") >= 6)
        wait_until(lambda: "in a row have failed" in str(program.request("GET", "/health/pipeline").body))
        double.away = False
        wait_until(lambda: program.depths()["notifications"].ready == 30)

    assert dict(double.charged) == dict.fromkeys(ids, 1)
    assert program.depths()["payments"].dead == 0
    assert CARD not in program.log
