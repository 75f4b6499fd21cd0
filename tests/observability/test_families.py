"""Families of metrics, as they are written out."""

from __future__ import annotations

from prometheus_client.metrics_core import Metric

from runner.observability.families import counter, gauge, histogram
from runner.observability.histogram import BOUNDS
from tests.observability.test_snapshot import taking


def values(family: Metric) -> dict[tuple[str, ...], float]:
    return {(sample.name, *sample.labels.values()): sample.value for sample in family.samples}


def test_a_histogram_is_cumulative_and_ends_with_its_count() -> None:
    found = values(histogram("took_seconds", "How long.", ("stage",), [(["one"], taking(0.002, 0.002, 4.0, 9e9))]))
    buckets = [value for (name, *_), value in found.items() if name == "took_seconds_bucket"]
    assert buckets == sorted(buckets)
    assert len(buckets) == len(BOUNDS) + 1
    assert found["took_seconds_bucket", "one", "0.0025"] == 2
    assert found["took_seconds_bucket", "one", "5.0"] == 3
    assert found["took_seconds_bucket", "one", "+Inf"] == found["took_seconds_count", "one"] == 4


def test_a_counter_has_the_ending_of_one_and_a_gauge_may_have_no_labels() -> None:
    assert values(counter("starts", "How often.", ("process",), [(["a"], 2)])) == {("starts_total", "a"): 2}
    assert values(gauge("age_seconds", "How old.", 1.5)) == {("age_seconds",): 1.5}
    assert values(gauge("slots", "How many.", ("stage",), [(["one"], 4)])) == {("slots", "one"): 4}
