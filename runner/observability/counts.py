"""The observer that counts what a process does, for the supervisor to sum up (see `snapshot`).

It is called for every message, so it only adds numbers. Left out: how the counts get out of the
process (`processes/telling.py`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from runner.events import Failure, Observer
from runner.message import Delivery, Outgoing
from runner.observability.histogram import Tally
from runner.observability.snapshot import Now, StageNow, StageTotals, Told, Totals
from runner.stamps import BEGAN, QUEUED, since

ACCEPTED = "202"
MOST_CALLS = 20
"""Names under which a stage's handlers may time their calls; others are left out."""


class Gauge(Protocol):
    """What is asked of a broker."""

    @property
    def available(self) -> bool: ...

    @property
    def unconfirmed(self) -> int: ...


class _Stage:
    """What is counted of one stage."""

    __slots__ = ("calls", "dead", "handled", "held", "reached", "received", "retried", "seconds", "waited", "whole")

    def __init__(self) -> None:
        self.received = self.handled = self.retried = self.dead = self.held = 0
        self.seconds, self.waited, self.whole = Tally(), Tally(), Tally()
        self.calls: dict[str, Tally] = {}
        self.reached = 0.0

    def measure(self, headers: Mapping[str, Any], seconds: float, *, ended: bool) -> None:
        """A handler has done with a message after `seconds`; `ended`: nothing comes of it."""
        now = time.time()
        waited = since(headers, QUEUED, now - seconds)
        if waited is not None:
            self.waited.add(waited)
            self.reached = max(self.reached, now - seconds - waited)
        if ended and (whole := since(headers, BEGAN, now)) is not None:
            self.whole.add(whole)

    def so_far(self) -> StageTotals:
        return StageTotals(
            self.received,
            self.handled,
            self.retried,
            self.dead,
            self.held,
            self.seconds.so_far(),
            self.waited.so_far(),
            self.whole.so_far(),
            {what: tally.so_far() for what, tally in list(self.calls.items())},
        )


class Counts(Observer):
    """The counts of one process, which works on the stages of these names, and serves `routes`.

    Any thread may report, and any may ask: `told()`.
    """

    def __init__(self, stages: Sequence[str] = (), routes: Sequence[str] = ()) -> None:
        self._stages = {name: _Stage() for name in stages}
        self._requests: dict[str, dict[str, int]] = {route: {ACCEPTED: 0} for route in routes}
        self._repeated = dict.fromkeys(routes, 0)
        self._answering = {route: Tally() for route in routes}
        self._reconnects = 0
        self._ledger = Tally()
        self._ledger_away = False
        self._paused: dict[str, tuple[str, float]] = {}
        """Stages that are paused: why, and since when."""
        self._broker: Gauge | None = None
        self._states: Callable[[], Mapping[str, StageNow]] = dict

    def look_at(self, broker: Gauge, states: Callable[[], Mapping[str, StageNow]] = dict) -> None:
        """What no event tells: the process's broker, and how its stages stand."""
        self._broker, self._states = broker, states

    # -- the intake ---------------------------------------------------------------------

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:  # noqa: ARG002 - an Observer
        self._requests[route][ACCEPTED] += 1
        self._answering[route].add(seconds)

    def repeated(self, route: str) -> None:
        self._repeated[route] += 1

    def refused(
        self,
        route: str,
        status: int,
        reason: str,  # noqa: ARG002 - as above
        seconds: float = 0.0,  # noqa: ARG002 - as above
        traceparent: str | None = None,  # noqa: ARG002 - as above
    ) -> None:
        statuses = self._requests.setdefault(route, {})
        name = str(status)
        statuses.setdefault(name, 0)
        statuses[name] += 1

    # -- the broker and the ledger ------------------------------------------------------

    def connected(self, broker: str, again: bool) -> None:  # noqa: ARG002 - as above
        self._reconnects += again

    def recorded(self, records: int, seconds: float) -> None:  # noqa: ARG002 - as above
        self._ledger.add(seconds)

    def ledger_away(self, reason: str) -> None:  # noqa: ARG002 - as above
        self._ledger_away = True

    def ledger_back(self) -> None:
        self._ledger_away = False

    # -- a worker -----------------------------------------------------------------------

    def taken(self, stage: str, deliveries: Sequence[Delivery]) -> None:
        self._stages[stage].received += len(deliveries)

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:
        counts = self._stages[stage]
        counts.handled += 1
        counts.seconds.add(seconds)
        if delivery.headers:
            counts.measure(delivery.headers, seconds, ended=not messages)

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:  # noqa: ARG002 - as above
        counts = self._stages[stage]
        counts.retried += 1
        counts.seconds.add(failure.seconds)
        if delivery.headers:
            counts.measure(delivery.headers, failure.seconds, ended=False)

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        counts = self._stages[stage]
        counts.dead += 1
        counts.seconds.add(failure.seconds)
        if delivery.headers:
            counts.measure(delivery.headers, failure.seconds, ended=True)

    def held(self, stage: str, delivery: Delivery, reason: str, delay: float) -> None:  # noqa: ARG002 - as above
        self._stages[stage].held += 1

    def paused(self, stage: str, reason: str, delay: float) -> None:  # noqa: ARG002 - as above
        self._paused[stage] = (reason, time.time())

    def resumed(self, stage: str) -> None:
        self._paused.pop(stage, None)

    def called(self, stage: str, call: str, seconds: float) -> None:
        """A handler of the stage has timed a call of its own. (A `timing.Watcher`.)"""
        counts = self._stages.get(stage)
        if counts is None:
            return
        tally = counts.calls.get(call)
        if tally is None:
            if len(counts.calls) >= MOST_CALLS:
                return
            tally = counts.calls.setdefault(call, Tally())
        tally.add(seconds)

    # -- what has come together -----------------------------------------------------------

    def told(self) -> Told:
        """The counts up to now, and how things stand."""
        totals = Totals(
            {name: stage.so_far() for name, stage in self._stages.items()},
            {route: dict(statuses) for route, statuses in list(self._requests.items())},
            dict(self._repeated),
            {route: tally.so_far() for route, tally in self._answering.items()},
            self._reconnects,
            self._ledger.so_far(),
            round(time.process_time(), 3),
        )
        return Told(totals, self._now())

    def _now(self) -> Now:
        states = self._states()
        stages = {name: self._stage_now(name, states.get(name, StageNow())) for name in self._stages}
        if self._broker is None:
            return Now(stages, ledger_away=int(self._ledger_away))
        available = self._broker.available
        return Now(stages, int(available), int(not available), self._broker.unconfirmed, int(self._ledger_away))

    def _stage_now(self, name: str, state: StageNow) -> StageNow:
        why, began = self._paused.get(name, ("", 0.0))
        reached = self._stages[name].reached
        return StageNow(state.slots, state.busy, int(name in self._paused), why, began, reached, state.breaker)
