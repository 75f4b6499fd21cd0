"""How many messages a stage takes in advance: enough to keep it busy, but no more than it
can handle soon. Decides only.

A fast handler needs hundreds, or it waits for the broker's round trips. But no other worker
can handle what waits in this one, and after 30 minutes RabbitMQ takes it away and closes the
channel (rabbitmq.com/docs/consumers#acknowledgement-timeout), which counts as an attempt.
So a slow or stuck handler takes fewer.
"""

from __future__ import annotations

LONGEST_WAIT = 30.0
"""The most seconds that a message should wait in a worker."""
AIM = 10.0
"""Seconds of work to take in advance when the prefetch is below its maximum."""


def fitting(current: int, *, most: int, least: int, waiting: int, handled: int, seconds: float) -> int:
    """The prefetch to continue with; `current` if it fits.

    `waiting` messages wait for a slot now, and `handled` were handled in the last `seconds`.
    The result is between `least` (one message per slot) and `most`.
    """
    rate = handled / seconds
    if waiting and waiting > rate * LONGEST_WAIT:
        return max(least, min(current, int(rate * AIM)))
    if current < most and handled > current * seconds / 2:
        # The queue was emptied at least twice a second: the prefetch may be the bottleneck.
        return min(most, current * 4, max(least, int(rate * AIM)))
    return current


class Pace:
    """What one stage takes in advance now: at first `most`, later `least` or more."""

    def __init__(self, most: int, *, least: int) -> None:
        self.prefetch = most
        self.handled = 0
        """Messages since the last look; inexact when slots count at the same time."""
        self._most, self._least = most, least

    def look(self, waiting: int, seconds: float) -> int:
        """The `fitting` prefetch, `seconds` after the last look."""
        handled, self.handled = self.handled, 0
        return fitting(
            self.prefetch, most=self._most, least=self._least, waiting=waiting, handled=handled, seconds=seconds
        )
