"""The results of a benchmark: every value of every repetition, and what follows from them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from bench.benchmark import Benchmark, Contender, Figures
from bench.goals import Goal


@dataclass(slots=True)
class Entry:
    """One contender's runs; `failure` is why there are no more of them."""

    contender: Contender
    messages: int
    runs: list[Figures] = field(default_factory=list)
    failure: str = ""
    missing: bool = False

    def values(self, metric: str) -> list[float]:
        return [run[metric] for run in self.runs if metric in run]

    def median(self, metric: str) -> float | None:
        values = self.values(metric)
        return statistics.median(values) if values else None

    def spread(self, metric: str) -> tuple[float, float] | None:
        """The smallest and the largest value."""
        values = self.values(metric)
        return (min(values), max(values)) if values else None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A goal (its text) and the figure that was measured for it."""

    goal: str
    found: float
    reached: bool


@dataclass(slots=True)
class Record:
    """One benchmark's outcome."""

    benchmark: Benchmark
    repeat: int
    entries: list[Entry]
    machine: Mapping[str, Any] = field(default_factory=dict)

    def entry(self, name: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.contender.name == name), None)

    def ratio(self, entry: Entry, other: str, metric: str = "") -> float | None:
        """How many times as good as contender `other` this one is; above 1 is better.

        The median of the rounds' ratios: whatever the machine did in a round affected both.
        By the headline, or by `metric`.
        """
        compared = self.benchmark.metric(metric) if metric else self.benchmark.headline
        against = self.entry(other)
        if against is None:
            return None
        pairs = zip(entry.values(compared.name), against.values(compared.name), strict=False)
        ratios = [mine / theirs for mine, theirs in pairs if mine and theirs]
        if not ratios:
            return None
        ratio = statistics.median(ratios)
        return ratio if compared.better == "more" else 1 / ratio

    def lead(self, entry: Entry) -> float | None:
        """How many times as good as this contender the runner is."""
        ours = self.entry(self.benchmark.ours)
        return self.ratio(ours, entry.contender.name) if ours else None

    def of_limit(self, entry: Entry) -> float | None:
        """Which part of the limit this contender reaches."""
        return self.ratio(entry, self.benchmark.limit) if self.benchmark.limit else None

    def verdicts(self) -> list[Verdict]:
        """One for each goal whose figure was measured."""
        judged = (self._verdict(goal) for goal in self.benchmark.goals)
        return [verdict for verdict in judged if verdict is not None]

    def _verdict(self, goal: Goal) -> Verdict | None:
        found = self._figure(goal)
        if found is None:
            return None
        metric = self.benchmark.metric(goal.metric)
        at_least = bool(goal.against) or metric.better == "more"
        times = f" × {goal.against}" if goal.against else ""
        text = f"{goal.contender}: {metric.unit} {'at least' if at_least else 'at most'} {goal.bound:,g}{times}"
        return Verdict(text, found, found >= goal.bound if at_least else found <= goal.bound)

    def _figure(self, goal: Goal) -> float | None:
        """The figure that the goal's bound is for."""
        entry = self.entry(goal.contender)
        if entry is None:
            return None
        return self.ratio(entry, goal.against, goal.metric) if goal.against else entry.median(goal.metric)

    def as_json(self) -> dict[str, Any]:
        benchmark = self.benchmark
        return {
            "benchmark": benchmark.name,
            "job": benchmark.job,
            "leaves_out": benchmark.leaves_out,
            "repeat": self.repeat,
            "compared_by": benchmark.headline.name,
            "ours": benchmark.ours or None,
            "limit": benchmark.limit or None,
            "metrics": {metric.name: {"unit": metric.unit, "better": metric.better} for metric in benchmark.metrics},
            "machine": self.machine,
            "contenders": [self._entry_as_json(entry) for entry in self.entries],
            "goals": [asdict(verdict) for verdict in self.verdicts()],
        }

    def _entry_as_json(self, entry: Entry) -> dict[str, Any]:
        document: dict[str, Any] = {"name": entry.contender.name, self.benchmark.unit: entry.messages}
        if entry.contender.note:
            document["note"] = entry.contender.note
        if entry.failure:
            document["missing" if entry.missing else "failed"] = entry.failure
        for metric in self.benchmark.metrics:
            if values := entry.values(metric.name):
                document[metric.name] = {"median": entry.median(metric.name), "runs": values}
        ratios = {"ours_is": self.lead(entry), "of_limit": self.of_limit(entry)}
        return document | {name: ratio for name, ratio in ratios.items() if ratio is not None}
