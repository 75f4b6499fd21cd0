"""What the broker's thread does beside its turns, once a second: what nobody asks for, and nobody waits for."""

from __future__ import annotations

import time
from collections.abc import Callable

from runner.brokers.embedded.store import Store

SET_BACK = 1.0
"""Seconds: by less, clocks are set right all the time."""
SHRINK_BUSY = 200
"""Free pages to give back at a time while there is other work."""
SHRINK_IDLE, SHRINK_STEPS = 2000, 10
"""The same while there is none, in so many steps, between which others may write."""


class Housekeeping:
    """Of one process. Raises whatever SQLite raises."""

    def __init__(self) -> None:
        self._clock = _clock()
        """Less than before where the clock was set back."""

    def do(self, store: Store, *, busy: bool, interrupted: Callable[[], bool]) -> None:
        """`busy`: there is other work; `interrupted` says whether some has come meanwhile."""
        store.presence.forget_all_but(store.owners.others())
        clock = _clock()
        if clock < self._clock - SET_BACK:
            store.set_right()
        self._clock = clock
        if busy:
            store.shrink(SHRINK_BUSY)
        else:
            for _ in range(SHRINK_STEPS):
                if interrupted() or not store.shrink(SHRINK_IDLE):
                    break
        store.empty_log()


def _clock() -> float:
    """Seconds by which the time of day is ahead of the time since the machine started."""
    return time.time() - time.monotonic()
