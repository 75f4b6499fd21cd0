"""A worker that is killed in the middle of a charge, at a gateway that forgets its keys: the payment is
looked up, and never charged a second time."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from tests.stages.gateways.servers import ScriptedGateway, answer
from tests.system.conftest import Start
from tests.system.program import ROOT, Program
from tests.waiting import wait_until

PIPELINE = f"""
name: test
broker: "BROKER"
ledger: LEDGER
shutdown_timeout: 10s
http:
  listen: 127.0.0.1:PORT
  routes:
    POST /work: {{publish: payments, status: "/charges/{{id}}"}}
queues:
  payments: {{schema: {ROOT}/schemas/payment.json}}
  notifications: {{schema: {ROOT}/schemas/notification.json}}
stages:
  charge:
    consume: payments
    handler: stages.process_payment:ProcessPayment
    settings: {{gateway: http, url: URL, timeout: 60, look_up_url: "URL/{{key}}"}}
    once: true
    on_unknown: park
    reconcile: [200ms, 500ms, 1s]
    reveal: [cardNo]
    record: {{payment: /kind}}
    publish: notifications
keys: file:keys
"""
PAYMENT = {
    "user": "test-user@example.com",
    "paymentType": "Credit Card",
    "cardNo": "4242424242424242",
    "amount": 1999,
    "currency": "EUR",
}


class Forgetful:
    """Charges whenever it is asked to, keeps the first answer to itself, and fails the first look-up."""

    def __init__(self, settled: str) -> None:
        self.settled = settled
        self.charged: Counter[str] = Counter()
        self.looked_up: Counter[str] = Counter()
        self.charging = threading.Event()
        self.over = threading.Event()

    def __call__(self, gateway: ScriptedGateway, connection: socket.socket) -> None:
        request = gateway.requests[-1]
        method, path, _ = request.line.split(" ")
        if method == "POST":
            self.charged[request.headers["idempotency-key"]] += 1
            self.charging.set()
            self.over.wait(60)
            return
        key = path.rpartition("/")[2]
        self.looked_up[key] += 1
        if self.looked_up[key] == 1:
            answer(503, {"error": "later"})(gateway, connection)
        elif self.looked_up[key] == 2:
            answer(200, {"status": self.settled, "id": f"ch_{key}"})(gateway, connection)
        else:
            answer(200, {"status": "paid", "id": f"ch_{key}"})(gateway, connection)


def worker_of(program: Program) -> int:
    """The one child of the supervisor that has no children: the intake has one."""
    command = ["ps", "-A", "-o", "pid=,ppid="]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    parents = {int(pid): int(parent) for pid, parent in (line.split() for line in lines)}
    [worker] = [pid for pid, parent in parents.items() if parent == program.pid and pid not in parents.values()]
    return worker


@contextmanager
def killed_in_a_charge(prepare: Start, double: Forgetful, ledger_url: str) -> Iterator[tuple[Program, str]]:
    """A program whose worker was killed while it charged, and the payment's id."""
    with ScriptedGateway(double) as gateway:
        program = prepare(PIPELINE.replace("URL", gateway.url).replace("LEDGER", ledger_url))
        program.start()
        payment = program.post(PAYMENT).body["id"]
        assert double.charging.wait(60)
        os.kill(worker_of(program), signal.SIGKILL)
        double.over.set()
        yield program, payment


def recorded(program: Program, payment: str) -> object:
    return program.request("GET", f"/charges/{payment}").body["recorded"].get("payment")


def test_a_charge_whose_worker_was_killed_is_looked_up_and_never_made_again(prepare: Start, ledger_url: str) -> None:
    double = Forgetful("paid")
    with killed_in_a_charge(prepare, double, ledger_url) as (program, payment):
        wait_until(lambda: recorded(program, payment) == "paid")
        wait_until(lambda: program.depths()["notifications"].ready == 1)
        assert program.depths()["payments"].dead == 0

    assert double.charged == {payment: 1}
    assert double.looked_up == {payment: 2}
    assert "a worker died while it was handled, so that it may have taken effect; it is looked up then" in program.log
    assert f"message {payment} was looked up, and its result is taken over" in program.log


def test_a_charge_in_doubt_that_is_pending_is_told_and_looked_up_until_it_is_paid(
    prepare: Start, ledger_url: str
) -> None:
    double = Forgetful("pending")
    with killed_in_a_charge(prepare, double, ledger_url) as (program, payment):
        wait_until(lambda: program.depths()["notifications"].ready == 2)
        wait_until(lambda: recorded(program, payment) == "paid")

    assert double.charged == {payment: 1}
    assert f"the late answer to message {payment} was looked up" in program.log
