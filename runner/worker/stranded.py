"""Deliveries that the broker lets go nowhere: it took neither the result, nor the retry, nor the
dead letter (a policy may forbid it). They stay in hand, unacked, and are settled again and again.

Left out: what the refused messages are (see `outcome`).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from runner.brokers.base import Carrier
from runner.message import Delivery, Outgoing

STRANDED_DELAY = 1.0
"""Seconds until what is held is settled again."""


class Stranded:
    """Those of one stage. From any thread."""

    def __init__(self, broker: Carrier) -> None:
        self._broker = broker
        self._held: list[tuple[Delivery, Sequence[Outgoing]]] = []
        self._lock = threading.Lock()

    def hold(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        """Settle `delivery` with `messages` in `STRANDED_DELAY` seconds at the latest."""
        with self._lock:
            self._held.append((delivery, messages))
            if len(self._held) > 1:
                return
        timer = threading.Timer(STRANDED_DELAY, self._settle)
        timer.daemon = True
        timer.start()

    def _settle(self) -> None:
        with self._lock:
            held, self._held = self._held, []
        for delivery, messages in held:
            self._broker.settle(delivery, messages)
