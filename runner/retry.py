"""How often a message is tried, and how long it waits in between: attempt → delay.

Decides only. The broker does the waiting, on one queue per distinct delay (a *rung*),
never a worker.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """`attempts` in all (1: no retries), then the dead letters.

    The wait after attempt n is `delay × factor^(n-1)` seconds, at most `max_delay`.
    """

    attempts: int
    delay: float
    factor: float
    max_delay: float

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1)."""
        try:
            delay = self.delay * self.factor ** (attempt - 1)
        except OverflowError:
            return self.max_delay
        return min(delay, self.max_delay)

    def table(self) -> tuple[float, ...]:
        """The waits in order, one for each retry: `attempts - 1` of them."""
        return tuple(self.delay_after(attempt) for attempt in range(1, self.attempts))

    def rungs(self) -> tuple[float, ...]:
        """The distinct waits, ascending, rounded to the millisecond; none without retries."""
        return tuple(sorted({round(wait, 3) for wait in self.table()}))


def rung_for(delay: float, rungs: tuple[float, ...]) -> float:
    """The rung on which to wait for `delay` seconds: the shortest that is long enough,
    else the longest (the message then comes back early and waits again)."""
    return next((rung for rung in rungs if rung >= delay - 0.0005), rungs[-1])
