"""How many messages a stage takes in advance: as many as keep it busy, and no more than it
can handle soon. Decides only.

A fast handler needs hundreds, or it waits for the broker's round trips. But what waits in
a worker can't be handled by another one, and after 30 minutes RabbitMQ takes it away and
closes the channel (rabbitmq.com/docs/consumers#acknowledgement-timeout), which counts as
an attempt. So a slow handler, or one that is stuck, takes less.
"""

from __future__ import annotations

LONGEST_WAIT = 30.0
"""Seconds that a message should wait in a worker at most."""
AIM = 10.0
"""Seconds of work to take in advance, where fewer than the most is taken."""


def fitting(current: int, *, most: int, least: int, waiting: int, handled: int, seconds: float) -> int:
    """The prefetch to go on with; `current` where it fits.

    `waiting` messages wait for a slot now, and `handled` have been handled in the last
    `seconds`. The result is between `least` (a message for each slot) and `most`.
    """
    rate = handled / seconds
    if waiting and waiting > rate * LONGEST_WAIT:
        return max(least, min(current, int(rate * AIM)))
    if current < most and handled > current * seconds / 2:
        # It is taken up twice a second or oftener: the prefetch may be what holds it back.
        return min(most, current * 4, max(least, int(rate * AIM)))
    return current
