"""The last hour, for lines: a few figures of each queue, sampled. It is kept by the console's process,
and begins with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from runner.brokers.base import Depth

EVERY = 10.0
"""Seconds between two samples."""
KEPT = 361
"""Samples: an hour."""
WIDTH, HEIGHT = 120, 24
"""Of a line's picture."""
FULL = 5
"""The least that reaches the top of the picture, so that one message is no mountain."""

Sample = Mapping[tuple[str, str], int]


class History:
    """Samples by queue and figure. One thread adds, others read."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque(maxlen=KEPT)

    def add(self, depths: Mapping[str, Depth]) -> None:
        """What is on the queues now."""
        sample = {}
        for queue, depth in depths.items():
            sample[queue, "waiting"] = depth.ready + depth.in_hand + depth.delayed
            sample[queue, "dead"] = depth.dead
        self._samples.append(sample)

    def peak(self, queue: str, figure: str) -> int:
        """The most in the last hour."""
        return max(self._values(queue, figure), default=0)

    def line(self, queue: str, figure: str) -> str:
        """The points of an SVG polyline: now at the right, an hour ago at the left."""
        values = self._values(queue, figure)
        top = max(FULL, max(values, default=0))
        step = WIDTH / (KEPT - 1)
        start = WIDTH - step * (len(values) - 1)
        low, room = HEIGHT - 1, HEIGHT - 2
        return " ".join(f"{start + step * n:.1f},{low - room * value / top:.1f}" for n, value in enumerate(values))

    def _values(self, queue: str, figure: str) -> list[int]:
        return [sample[queue, figure] for sample in list(self._samples) if (queue, figure) in sample]
