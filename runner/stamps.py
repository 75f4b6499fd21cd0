"""When a message was accepted, and when it was put on the queue that it is on: headers of a sample.

Only a few messages a second have them, for a message with headers costs half as much again as one
without. They begin as a sender's headers do, since they travel with the message.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

BEGAN = "began"
"""When the intake accepted it: milliseconds since 1970."""
QUEUED = "queued"
"""When it was published to its queue, or when the wait of its retry ends; as above."""
EVERY = 0.05
"""Seconds between two messages that an intake stamps."""
LONGEST = 366 * 86_400.0
"""Seconds; older than that is no stamp of ours."""


class Sampler:
    """Decides which messages are stamped. Where several threads use it, a few more may be."""

    def __init__(self) -> None:
        self._next = 0.0

    def stamped(self, headers: Mapping[str, Any]) -> Mapping[str, Any]:
        """`headers`, with stamps if it is time for that."""
        now = time.time()
        if now < self._next <= now + EVERY:  # later still, if the clock was set back
            return headers
        self._next = now + EVERY
        stamp = int(now * 1000)
        return {**headers, BEGAN: stamp, QUEUED: stamp}


def moved_on(headers: Mapping[str, Any], delay: float = 0.0) -> Mapping[str, Any]:
    """The headers of a message on its way to a queue, where it is due after `delay` seconds."""
    if BEGAN not in headers:
        return headers
    return {**headers, QUEUED: int((time.time() + delay) * 1000)}


def since(headers: Mapping[str, Any], stamp: str, now: float) -> float | None:
    """Seconds from a stamp to `now` (Unix); None: there is none, or it makes no sense. Clocks of two
    machines differ a little: it is not below 0.0."""
    value = headers.get(stamp)
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    passed = now - value / 1000
    return max(0.0, passed) if -LONGEST < passed < LONGEST else None
