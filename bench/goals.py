"""What the figures should be, and whether they are: the project's own aims, in ratios where
that is possible, since only those hold on another machine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.record import Record


@dataclass(frozen=True, slots=True)
class Goal:
    """`contender`'s `metric` is at least `bound` (at most, where less is better); or where
    `against` names another contender, it is at least so many times as good as that one's."""

    contender: str
    metric: str
    bound: float
    against: str = ""

    def found(self, record: Record) -> float | None:
        """The figure that the bound is for; None where it wasn't measured."""
        entry = record.entry(self.contender)
        if entry is None:
            return None
        if self.against:
            return record.ratio(entry, self.against, self.metric)
        return entry.median(self.metric)

    def is_reached(self, record: Record, found: float) -> bool:
        return found >= self.bound if self._at_least(record) else found <= self.bound

    def text(self, record: Record) -> str:
        metric = record.benchmark.metric(self.metric)
        word = "at least" if self._at_least(record) else "at most"
        times = f" × {self.against}" if self.against else ""
        return f"{self.contender}: {metric.unit} {word} {self.bound:,g}{times}"

    def _at_least(self, record: Record) -> bool:
        return bool(self.against) or record.benchmark.metric(self.metric).better == "more"
