"""Families of metrics, as prometheus_client takes them: one name, one help text, and a value for each set of labels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric

from runner.observability.histogram import BOUNDS, Histogram

T = TypeVar("T")
Labelled = Iterable[tuple[Sequence[str], T]]
"""Values, each with those of its labels."""

_LE = [*(f"{bound:g}" if bound != int(bound) else f"{bound:.1f}" for bound in BOUNDS), "+Inf"]


def counter(name: str, text: str, labels: Sequence[str], values: Labelled[float]) -> Metric:
    family = CounterMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def gauge(name: str, text: str, labels: Sequence[str] | float, values: Labelled[float] = ()) -> Metric:
    """With the value itself instead of `labels`, if it has none."""
    if isinstance(labels, int | float):
        return GaugeMetricFamily(name, text, value=labels)
    family = GaugeMetricFamily(name, text, labels=labels)
    for label_values, value in values:
        family.add_metric(label_values, value)
    return family


def histogram(name: str, text: str, labels: Sequence[str], values: Labelled[Histogram]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=labels)
    for label_values, one in values:
        buckets = list(zip(_LE, accumulate(one.counts), strict=True))
        family.add_metric(label_values, buckets, one.sum)
    return family
