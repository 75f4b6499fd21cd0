"""Those who pay all the while: what they were promised."""

from __future__ import annotations

import http.client
import json
import random
import threading
from collections import Counter

CARDS = ("4242424242424242", "1234567890123456", "4242424242424241")
"""One that is charged, the test card, and one that is refused: each payer gets a mail."""
PAUSE = 0.1
"""Seconds between two payments of one payer."""


class Payers:
    """Some threads that post payments to `port`, until `stop`."""

    def __init__(self, port: int, count: int = 4) -> None:
        self._port = port
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.accepted: set[str] = set()
        """The ids that were answered with 202."""
        self.answers: Counter[str] = Counter()
        self._threads = [threading.Thread(target=self._pay, args=[number], daemon=True) for number in range(count)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(60)

    def pay(self, payer: int, card: str = CARDS[0]) -> bool:
        """Post one payment; whether it was taken."""
        body = json.dumps({"user": f"payer-{payer}@example.com", "paymentType": "Credit Card", "cardNo": card})
        try:
            answer, payment = self._post(body)
        except (OSError, http.client.HTTPException) as error:
            answer, payment = type(error).__name__, ""
        with self._lock:
            self.answers[answer] += 1
            if payment:
                self.accepted.add(payment)
        return bool(payment)

    def _pay(self, number: int) -> None:
        chance = random.Random(number)
        while not self._over.wait(PAUSE * chance.uniform(0.5, 1.5)):
            self.pay(number, chance.choice(CARDS))

    def _post(self, body: str) -> tuple[str, str]:
        """The status, and the id of a payment that was taken."""
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        try:
            connection.request("POST", "/make-payment", body, {"Content-Type": "application/json"})
            response = connection.getresponse()
            text = response.read()
        finally:
            connection.close()
        return str(response.status), json.loads(text)["id"] if response.status == 202 else ""
