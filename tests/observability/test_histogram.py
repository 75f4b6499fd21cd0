"""How long something took, many times."""

from __future__ import annotations

import threading

from runner.observability.histogram import BOUNDS, Histogram, Tally
from tests.observability.test_snapshot import taking


def test_a_histogram_tells_which_bound_a_share_of_them_does_not_exceed() -> None:
    histogram = taking(*[0.02] * 95, *[4.0] * 5)
    assert (histogram.quantile(0.5), histogram.quantile(0.95), histogram.quantile(0.99)) == (0.025, 0.025, 5.0)
    assert Histogram().quantile(0.5) is None
    assert taking(BOUNDS[-1] + 1).quantile(0.5) is None


def test_a_time_that_equals_a_bound_belongs_to_its_bucket() -> None:
    assert taking(0.005).counts[BOUNDS.index(0.005)] == 1


def test_no_addition_is_lost_when_several_threads_add() -> None:
    tally = Tally()

    def add() -> None:
        for _ in range(50_000):
            tally.add(0.25)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tally.so_far().count, tally.so_far().sum) == (200_000, 50_000.0)
