"""The last hour, for lines and rates: a few figures of each queue and stage, sampled. It is kept by the
console's process, and begins with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from runner.brokers.base import Depth
from runner.observability.snapshot import Snapshot

EVERY = 10.0
"""Seconds between two samples."""
HOUR = 3600.0
"""Seconds."""
KEPT = 361
"""Samples of an hour; fewer, where the broker was away meanwhile."""
WIDTH, HEIGHT = 120, 24
"""Of a line's picture."""
FULL = 5.0
"""The least that reaches the top of the picture, so that one message is no mountain."""
STEADY = 30.0
"""Seconds that a rate is an average of, so that it can be read."""


class Sample(NamedTuple):
    at: float
    """Seconds since 1970."""
    waiting: Mapping[str, int]
    """By queue: ready, in hand and delayed."""
    handled: Mapping[str, int]
    """By stage, since the run began: handled, retried and dead."""


class History:
    """One thread adds samples, others read."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, depths: Mapping[str, Depth], snapshot: Snapshot) -> None:
        """How things stand now."""
        waiting = {queue: depth.ready + depth.in_hand + depth.delayed for queue, depth in depths.items()}
        self._samples.append(Sample(snapshot.at, waiting, attempts(snapshot)))

    def peak(self, queue: str) -> int:
        """The most that has waited on a queue."""
        return max((count for _, count in self._waiting(queue)), default=0)

    def waiting(self, queue: str) -> str:
        """What has waited on a queue, as a line."""
        return line(self._waiting(queue))

    def rate(self, stage: str, snapshot: Snapshot) -> float | None:
        """Attempts a second of a stage, up to now; None: that isn't known yet."""
        now = attempts(snapshot).get(stage, 0)
        for sample in reversed(list(self._samples)):
            if snapshot.at - sample.at >= STEADY or sample is self._samples[0]:
                return _rate(sample.handled.get(stage, 0), now, snapshot.at - sample.at)
        return None

    def handled(self, stage: str) -> str:
        """The rates of a stage in the last hour, as a line."""
        counts = [(sample.handled.get(stage, 0), sample.at) for sample in self._recent()]
        return line([(at, _rate(before, now, at - then) or 0.0) for (before, then), (now, at) in pairwise(counts)])

    def _waiting(self, queue: str) -> list[tuple[float, int]]:
        return [(sample.at, sample.waiting[queue]) for sample in self._recent() if queue in sample.waiting]

    def _recent(self) -> list[Sample]:
        """Those of the hour before the last one."""
        samples = list(self._samples)
        return [sample for sample in samples if samples[-1].at - sample.at <= HOUR]


def attempts(snapshot: Snapshot) -> dict[str, int]:
    """How many attempts each stage has made since the run began."""
    return {name: one.handled + one.retried + one.dead for name, one in snapshot.sum.totals.stages.items()}


def line(values: Sequence[tuple[float, float]]) -> str:
    """The points of an SVG polyline, of times and values: the last one at the right, an hour before it at the left."""
    top = max(FULL, max((value for _, value in values), default=0))
    low, room = HEIGHT - 1, HEIGHT - 2
    return " ".join(
        f"{WIDTH * (1 - (values[-1][0] - at) / HOUR):.1f},{low - room * value / top:.1f}" for at, value in values
    )


def _rate(before: int, now: int, seconds: float) -> float | None:
    return max(0, now - before) / seconds if seconds > 0 else None
