"""What the figures should be: the project's aims, as ratios where possible, since only those
hold on another machine.

Left out: whether they are reached (see `bench.record`).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """`contender`'s `metric` is at least `bound` (at most, if less is better). If `against` names
    another contender, it is at least `bound` times as good as that one's."""

    contender: str
    metric: str
    bound: float
    against: str = ""
