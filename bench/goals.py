"""What the figures should be: the project's own aims, in ratios where that is possible, since
only those hold on another machine.

Whether they are reached is `bench.record`'s business.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """`contender`'s `metric` is at least `bound` (at most, where less is better); or where
    `against` names another contender, it is at least so many times as good as that one's."""

    contender: str
    metric: str
    bound: float
    against: str = ""
