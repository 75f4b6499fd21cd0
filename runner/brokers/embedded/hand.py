"""What a process has in hand: of each queue that it consumes, and in all."""

from __future__ import annotations

import threading
import time

from runner.brokers.base import PATIENCE, Consumer
from runner.message import Delivery


class Subscription:
    """One call of `consume`: what its consumer has in hand, and may have."""

    __slots__ = ("cancelled", "consumer", "in_hand", "lock", "prefetch", "queue", "registered")

    def __init__(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        self.queue = queue
        self.prefetch = prefetch
        self.consumer = consumer
        self.in_hand = 0
        self.registered = False
        self.cancelled = False
        self.lock = threading.RLock()
        """Held while deliveries are handed over, so that `cancel` can wait for it."""


class Hand:
    """The deliveries that this process has in hand."""

    def __init__(self) -> None:
        self._places: set[int] = set()
        self.bytes = 0
        """Of payload."""
        self.suspect: int | None = None
        """The place of the one among them whose former holder died; of several, the last that came."""
        self._suspect_since = 0.0
        """When it came (monotonic)."""

    @property
    def takes_suspect(self) -> bool:
        """Whether another suspect may come: there is none, or it is slow."""
        return self.suspect is None or time.monotonic() - self._suspect_since >= PATIENCE

    def __contains__(self, delivery: Delivery) -> bool:
        return delivery.tag in self._places

    def put(self, delivery: Delivery, *, suspect: bool) -> None:
        self._places.add(delivery.tag)
        self.bytes += len(delivery.payload)
        delivery.broker_data.in_hand += 1
        if suspect:
            self.suspect = delivery.tag
            self._suspect_since = time.monotonic()

    def drop(self, delivery: Delivery) -> None:
        self._places.discard(delivery.tag)
        self.bytes -= len(delivery.payload)
        delivery.broker_data.in_hand -= 1
        if self.suspect == delivery.tag:
            self.suspect = None
