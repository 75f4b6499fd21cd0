"""Those who pay all the while. Each payment has its key, and is sent again until it is answered 202:
sometimes once more after that, too."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

CARDS = {
    "4242424242424242": "paid",
    "1234567890123456": "paid",
    "4000000000000002": "declined",
    "4242424242424241": "refused",
    "4000000000005001": "paid",
    "4000000000005019": "paid",
}
"""Each with the kind of mail that its payer gets: charged, the test card, declined by the bank, and
refused by the pipeline; one at which the gateway fails at first, and one whose first answer is lost."""
OFTEN = (30, 10, 10, 8, 4, 1)
"""How often each is used: the last one keeps a slot waiting for five seconds."""
PAUSE = 0.1
"""Seconds between two payments of one payer."""
AGAIN = 0.3
"""Seconds until a payer asks again who wasn't answered 202."""
REPEATED = 0.1
"""Which part of the payments is sent again although it was answered."""


@dataclass(slots=True)
class Payment:
    """What one payer wants, and was told."""

    payer: str
    card: str
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    ids: set[str] = field(default_factory=set)
    """The ids with which it was answered 202: one, if all is well."""


class Payers:
    """Some threads that post payments to `port`, until `stop`."""

    def __init__(self, port: int, count: int = 8) -> None:
        self._port = port
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.payments: list[Payment] = []
        """All that were ever sent."""
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._pay, args=[number], daemon=True) for number in range(count)]

    @property
    def accepted(self) -> int:
        """How many were answered 202."""
        return sum(1 for payment in list(self.payments) if payment.ids)

    @property
    def busy(self) -> bool:
        """Whether somebody still waits for a 202."""
        return any(thread.is_alive() for thread in self._threads)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nobody begins another payment. Those who wait for an answer go on asking."""
        self._over.set()

    def post(self, payment: Payment) -> bool:
        """Send it (again); whether it was answered 202."""
        try:
            answer, message = self._posted(payment)
        except (OSError, http.client.HTTPException) as error:
            answer, message = type(error).__name__, ""
        with self._lock:
            self.answers[answer] += 1
            if message:
                payment.ids.add(message)
        return bool(message)

    def begin(self, payer: str, card: str) -> Payment:
        payment = Payment(payer, card)
        with self._lock:
            self.payments.append(payment)
        return payment

    def _pay(self, number: int) -> None:
        chance, turn = random.Random(number), 0
        while not self._over.wait(PAUSE * chance.uniform(0.5, 1.5)):
            turn += 1
            [card] = chance.choices(list(CARDS), OFTEN)
            payment = self.begin(f"payer-{number}-{turn}@example.com", card)
            while not self.post(payment):
                time.sleep(AGAIN)
            if chance.random() < REPEATED:
                self.post(payment)

    def _posted(self, payment: Payment) -> tuple[str, str]:
        """The status, and the id of a payment that was taken."""
        body = json.dumps({"user": payment.payer, "paymentType": "Credit Card", "cardNo": payment.card})
        headers = {"Content-Type": "application/json", "Idempotency-Key": f'"{payment.key}"'}
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("POST", "/make-payment", body, headers)
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        if response.status != 202:
            return str(response.status), ""
        return "202 again" if response.getheader("Idempotent-Replayed") else "202", json.loads(text)["id"]
