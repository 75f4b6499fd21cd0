"""Which deliveries a stage has been at work on for too long. Decides only.

Each look costs a little, and a delivery that comes and goes between two looks costs nothing.
"""

from __future__ import annotations

import time
from collections.abc import Collection

from runner.message import Delivery


class Overdue:
    """Of one stage. Looked at by one thread, from time to time."""

    def __init__(self) -> None:
        self._seen: dict[Delivery, float] = {}
        """When each was first seen (monotonic)."""

    def look(self, running: Collection[Delivery], timeout: float) -> list[Delivery]:
        """Those of `running` that were seen there `timeout` seconds ago, and at every look since."""
        now = time.monotonic()
        self._seen = {delivery: self._seen.get(delivery, now) for delivery in running}
        return [delivery for delivery, since in self._seen.items() if now - since >= timeout]
