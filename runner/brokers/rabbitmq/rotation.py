"""A work queue of RabbitMQ under an operator's eyes, while workers take from it.

RabbitMQ shows nobody a message without handing it out, and counts one that comes back as a death of
its holder. So the operator is a consumer like a worker, and gives each message back as workers do:
uncounted, to the end of the queue. A queue promises no order. Left out: what is done to it.
"""

from __future__ import annotations

import queue
from collections.abc import Iterator, Sequence

from runner.brokers.base import Broker, Consumer, Shelved
from runner.errors import PublishError
from runner.message import ATTEMPT, ERROR, Delivery, Outgoing

IN_HAND = 10
"""Messages that are kept from the workers at a time."""
SILENCE = 2.0
"""Seconds without a message after which the workers have taken the others."""


class RabbitRotation(Consumer):
    """The contract of a shelf over a started broker, for the work queue `queue`."""

    def __init__(self, broker: Broker, queue_name: str) -> None:
        self._broker = broker
        self._queue = queue_name
        self._inbox: queue.SimpleQueue[Delivery] = queue.SimpleQueue()
        self._settled: Delivery | None = None

    def look(self) -> Iterator[Shelved]:
        depth = self._broker.depths([self._queue]).get(self._queue)
        left = depth.ready if depth is not None else 0
        if not left:
            return
        self._broker.consume(self._queue, min(IN_HAND, left), self)
        try:
            while left and (delivery := self._next()) is not None:
                left -= 1
                try:
                    yield Shelved(delivery.id, delivery.payload, _headers(delivery), delivery)
                finally:
                    if self._settled is not delivery:
                        self._broker.release([delivery])
        finally:
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
        try:
            return self._inbox.get(timeout=SILENCE)
        except queue.Empty:
            return None


def _headers(delivery: Delivery) -> dict[str, object]:
    """With what the runner knows of its attempts."""
    made = {ATTEMPT: delivery.attempt - 1} if delivery.attempt > 1 else {}
    return {**delivery.headers, **made, **({ERROR: delivery.error} if delivery.error else {})}
