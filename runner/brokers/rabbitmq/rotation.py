"""A work queue of RabbitMQ under an operator's eyes, while workers take from it.

RabbitMQ shows nobody a message without handing it out, and counts one that comes back as a death of
its holder. So the operator is a consumer like a worker, and gives each message back as workers do:
uncounted, to the end of the queue. A queue promises no order. Left out: what is done to it.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress

from runner.brokers.base import Broker, Consumer, OneByOne, Shelved
from runner.errors import BrokerError, PublishError
from runner.message import ATTEMPT, ERROR, Delivery, Outgoing

IN_HAND = 10
"""Messages that are kept from the workers at a time."""
SILENCE = 2.0
"""Seconds without a message after which the workers have taken the others."""
REST, LOOK_AGAIN = 2.0, 0.01
"""Seconds."""


class RabbitRotation(OneByOne, Consumer):
    """The contract of a shelf over a started broker, for the work queue `queue`."""

    def __init__(self, broker: Broker, queue_name: str) -> None:
        self._broker = broker
        self._queue = queue_name
        self._inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._settled: Delivery | None = None
        self._seen: set[str] = set()
        """The ids of those that were given back, which come round again: from the quarantine before the others end."""

    def look(self) -> Iterator[Shelved]:
        left = self._ready()
        if not left:
            return
        most = min(IN_HAND, left)
        self._broker.consume(self._queue, most, self)
        try:
            while left and (delivery := self._next()) is not None:
                left -= 1
                try:
                    yield Shelved(delivery.id, delivery.payload, _headers(delivery), delivery)
                finally:
                    if self._settled is not delivery:
                        self._give_back(delivery)
        finally:
            with suppress(BrokerError):
                self._come_to_rest(most)
            self._broker.cancel(self._queue)
            while not self._inbox.empty():
                self._broker.release([self._inbox.get()])

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:
        delivery: Delivery = shelved.place
        if not delivery.session.open:
            return False
        self._broker.publish(messages)
        self._settled = delivery
        self._broker.settle(delivery, ())
        return True

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._inbox.put(delivery)

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        raise AssertionError((delivery, error))  # nothing is published with it

    def _next(self) -> Delivery | None:
        """The next that was not seen yet."""
        deadline = time.monotonic() + SILENCE
        while (left := deadline - time.monotonic()) > 0:
            try:
                delivery = self._inbox.get(timeout=left)
            except queue.Empty:
                return None
            if delivery.id not in self._seen:
                return delivery
            self._broker.release([delivery])
        return None

    def _give_back(self, delivery: Delivery) -> None:
        self._seen.add(delivery.id)
        self._broker.release([delivery])

    def _ready(self) -> int:
        depth = self._broker.depths([self._queue]).get(self._queue)
        return depth.ready if depth is not None else 0

    def _come_to_rest(self, most: int) -> None:
        """Wait until all that may be in hand is, or nothing is left: what is on its way to a consumer that ends,
        RabbitMQ takes back, and counts as a death."""
        deadline = time.monotonic() + REST
        while self._inbox.qsize() < most and self._ready() and time.monotonic() < deadline:
            time.sleep(LOOK_AGAIN)


def _headers(delivery: Delivery) -> dict[str, object]:
    """With what the runner knows of its attempts."""
    made = {ATTEMPT: delivery.attempt - 1} if delivery.attempt > 1 else {}
    return {**delivery.headers, **made, **({ERROR: delivery.error} if delivery.error else {})}
