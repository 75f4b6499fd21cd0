"""How long something took, many times: counted in buckets, as Prometheus counts it."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5),
    *(1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1_800.0, 7_200.0),
)
"""Seconds: the upper bounds of a histogram's buckets. They are the same for all, so that sums stay sums."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How long something took, in seconds."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    """How many took at most each of `BOUNDS`, and more than the bound before; last, those beyond all."""
    sum: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.counts)

    def quantile(self, share: float) -> float | None:
        """The bound, in seconds, that this `share` of them (0 to 1) doesn't exceed; None: there are none,
        or they are beyond all bounds."""
        wanted, seen = share * self.count, 0
        for bound, count in zip(BOUNDS, self.counts, strict=False):
            seen += count
            if count and seen >= wanted:
                return bound
        return None


class Tally:
    """A histogram that grows. Any thread may add to it: no call stands between reading a number and
    writing it back, so no other thread of CPython's comes in between."""

    __slots__ = ("_counts", "_sum")

    def __init__(self) -> None:
        self._counts = [0] * (len(BOUNDS) + 1)
        self._sum = 0.0

    def add(self, seconds: float) -> None:
        bucket = bisect_left(BOUNDS, seconds)
        self._counts[bucket] += 1
        self._sum += seconds

    def so_far(self) -> Histogram:
        return Histogram(tuple(self._counts), round(self._sum, 6))
