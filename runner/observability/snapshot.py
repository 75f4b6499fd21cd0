"""What a run has done so far, in numbers, of each process and in sum: plain values, and their JSON.

What only grows (`Totals`) is apart from how things stand at the moment (`Now`): the first outlives
the process that has counted it. Left out: who counts (see `counts`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Self, TypeVar

import orjson

from runner.observability.histogram import Histogram

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class StageTotals:
    received: int = 0
    """Deliveries taken in hand."""
    handled: int = 0
    """Handled, and their results about to be published."""
    retried: int = 0
    dead: int = 0
    held: int = 0
    """How often the broker took neither a result, nor a retry, nor the dead letter."""
    seconds: Histogram = field(default_factory=Histogram)
    """From a handler's call to its end, however it ended."""
    waited: Histogram = field(default_factory=Histogram)
    """From a message's publication, or the end of its retry's wait, to the handler's call: of a sample."""
    whole: Histogram = field(default_factory=Histogram)
    """From a message's acceptance to its end here, dead letters included: of a sample."""
    calls: Mapping[str, Histogram] = field(default_factory=dict)
    """What its handlers themselves time (see `runner.timing`), by its name."""


@dataclass(frozen=True, slots=True)
class StageNow:
    slots: int = 0
    busy: int = 0
    """Slots whose handler is at work."""
    paused: int = 0
    """Processes whose stage is paused."""
    why: str = ""
    since: float = 0.0
    """When the pause began that has lasted longest (Unix); 0.0: none."""
    reached: float = 0.0
    """When the message was put on its queue that a handler got last, of those that tell it (Unix)."""
    breaker: Mapping[str, int] = field(default_factory=dict)
    """Processes by the state of the stage's circuit breaker: closed, open, probing. Empty: it has none."""


@dataclass(frozen=True, slots=True)
class Totals:
    stages: Mapping[str, StageTotals] = field(default_factory=dict)
    requests: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """By route (empty: nothing is served there) and HTTP status."""
    repeated: Mapping[str, int] = field(default_factory=dict)
    """By route: requests that got the answer of the first one with their key."""
    answering: Mapping[str, Histogram] = field(default_factory=dict)
    """By route: how long the requests took that were answered 202."""
    reconnects: int = 0
    """How often a lost connection to the broker was made again."""
    ledger: Histogram = field(default_factory=Histogram)
    """The ledger's transactions."""
    cpu: float = 0.0
    """Seconds of CPU."""


@dataclass(frozen=True, slots=True)
class Now:
    stages: Mapping[str, StageNow] = field(default_factory=dict)
    connected: int = 0
    """Processes that can publish to the broker."""
    away: int = 0
    """Processes that can't, though they should."""
    unconfirmed: int = 0
    """Messages sent to the broker that it has not confirmed."""
    ledger_away: int = 0
    """Processes that can't use the ledger."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one process tells of itself."""

    totals: Totals = field(default_factory=Totals)
    now: Now = field(default_factory=Now)

    def as_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Of what `as_json` has written, parsed."""
        return cls(_totals(document["totals"]), _now(document["now"]))


@dataclass(frozen=True, slots=True)
class Process:
    """One child of the run, by its name: `worker-2` in all its lives."""

    pid: int = 0
    """0: it doesn't run now."""
    up: bool = False
    starts: int = 0
    since: float = 0.0
    """When it was started last (Unix)."""
    told: Told = field(default_factory=Told)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A whole run at one moment."""

    at: float = 0.0
    """Unix time; 0.0: nothing is known yet."""
    processes: Mapping[str, Process] = field(default_factory=dict)
    sum: Told = field(default_factory=Told)

    def as_json(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        document = orjson.loads(text)
        processes = {
            name: Process(**{**process, "told": Told.from_json(process["told"])})
            for name, process in document["processes"].items()
        }
        return cls(document["at"], processes, Told.from_json(document["sum"]))


def added(one: T, other: T) -> T:
    """The sum of two values of the same class of this module: numbers and histograms add up, mappings
    by their keys. Of two texts the first that isn't empty is kept, of two moments one."""
    value: Any
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        value = {**one, **{key: added(one[key], more) if key in one else more for key, more in other.items()}}
    elif isinstance(one, Histogram) and isinstance(other, Histogram):
        value = Histogram(tuple(map(sum, zip(one.counts, other.counts, strict=True))), one.sum + other.sum)
    elif isinstance(one, str):
        value = one or other
    elif isinstance(one, int | float):
        value = one + other  # type: ignore[operator]
    else:
        values = {}
        for name in (part.name for part in fields(one)):  # type: ignore[arg-type]
            mine, others = getattr(one, name), getattr(other, name)
            values[name] = _CHOSEN.get(name, added)(mine, others)
        value = type(one)(**values)
    return value  # type: ignore[no-any-return]


def _earlier(one: float, other: float) -> float:
    return min(one, other) if one and other else one or other


_CHOSEN: Mapping[str, Callable[[Any, Any], Any]] = {"since": _earlier, "reached": max}
"""Moments, which don't add up."""


def _totals(document: Mapping[str, Any]) -> Totals:
    stages = {
        name: StageTotals(
            **{
                **stage,
                **{key: _histogram(stage[key]) for key in ("seconds", "waited", "whole")},
                "calls": {what: _histogram(call) for what, call in stage["calls"].items()},
            }
        )
        for name, stage in document["stages"].items()
    }
    answering = {route: _histogram(histogram) for route, histogram in document["answering"].items()}
    ledger = _histogram(document["ledger"])
    return Totals(**{**document, "stages": stages, "answering": answering, "ledger": ledger})


def _now(document: Mapping[str, Any]) -> Now:
    return Now(**{**document, "stages": {name: StageNow(**stage) for name, stage in document["stages"].items()}})


def _histogram(document: Mapping[str, Any]) -> Histogram:
    return Histogram(tuple(document["counts"]), document["sum"])
