"""Benchmarks that measure nothing, for tests of what follows from the figures."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bench.benchmark import Benchmark, Contender, Figures, Metric
from bench.ground import Ground


def contender(name: str, *rates: float, share: float = 1.0, note: str = "") -> Contender:
    """Its runs find one rate after the other."""
    found: Iterator[float] = iter(rates)
    return Contender(name, lambda _ground, _messages: {"rate": next(found)}, share=share, note=note)


def failing(name: str, error: Exception) -> Contender:
    def measure(_ground: Ground, _messages: int) -> Figures:
        raise error

    return Contender(name, measure)


def watched(name: str, seen: Callable[[str, int], None]) -> Contender:
    """Tells each of its runs."""

    def measure(_ground: Ground, messages: int) -> Figures:
        seen(name, messages)
        return {"rate": 1.0}

    return Contender(name, measure)


def benchmark(*contenders: Contender, limit: str = "", better_is_less: bool = False) -> Benchmark:
    return Benchmark(
        name="fake",
        job="carrying nothing",
        leaves_out="everything",
        metrics=(Metric("rate", "things/s", "less" if better_is_less else "more"),),
        contenders=contenders,
        messages=100,
        ours="runner",
        limit=limit,
    )
