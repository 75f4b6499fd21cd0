"""What a benchmark is: a job, what to measure, and who does the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.goals import Goal
from bench.needs import Need

if TYPE_CHECKING:
    from bench.ground import Ground

Figures = Mapping[str, float]
"""What one run of a contender has measured, by the metric's name."""


@dataclass(frozen=True, slots=True)
class Metric:
    """`unit` is short enough to head a column; `better` says which way is up; `digits` is the
    number of decimals."""

    name: str
    unit: str
    better: Literal["more", "less"] = "more"
    digits: int = 0

    def text(self, value: float) -> str:
        return f"{value:,.{self.digits}f}"


@dataclass(frozen=True, slots=True)
class Contender:
    """`measure(ground, messages)` does the job once. Raises ContenderError."""

    name: str
    measure: Callable[[Ground, int], Figures]
    needs: tuple[Need, ...] = ()
    share: float = 1.0
    """Of the messages: a slow contender gets fewer, so that it takes as long as the others."""
    note: str = ""
    """How it is set up, and which parts of the job it leaves out."""

    def messages(self, number: int) -> int:
        return max(1, round(number * self.share))


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The first metric is the one by which contenders are compared."""

    name: str
    job: str
    leaves_out: str
    metrics: tuple[Metric, ...]
    contenders: tuple[Contender, ...]
    messages: int
    ours: str = ""
    """The contender with which the others are compared, if any."""
    limit: str = ""
    """The contender that none is expected to beat, if there is one."""
    unit: str = "messages"
    """What `messages` counts."""
    goals: tuple[Goal, ...] = ()

    def metric(self, name: str) -> Metric:
        return next(metric for metric in self.metrics if metric.name == name)

    @property
    def headline(self) -> Metric:
        return self.metrics[0]
