"""What one child process is observed with: its counts, and OpenTelemetry, where somebody wants them.

Left out: the log, which is always there (see `observability/observers.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from runner.brokers.base import Broker
from runner.events import Observer
from runner.observability import observers
from runner.pipeline import Pipeline
from runner.processes.child import Supervision
from runner.timing import WATCHERS

if TYPE_CHECKING:
    from runner.observability.snapshot import StageNow
    from runner.processes.telling import Teller


class Instruments:
    """Of the child `name`, which works on `stages` and serves `routes`. `observers` attach before anything
    happens; `begin` when there is something to tell, and `end` last."""

    def __init__(
        self, pipeline: Pipeline, name: str, *, stages: Sequence[str] = (), routes: Sequence[str] = ()
    ) -> None:
        self._counts = observers.counting(pipeline, stages, routes)
        self._exporting = observers.exporting(pipeline, name)
        self._teller: Teller | None = None

    @property
    def observers(self) -> list[Observer]:
        found = (self._counts, self._exporting and self._exporting.observer)
        return [observer for observer in found if observer]

    def begin(
        self, supervision: Supervision, broker: Broker, states: Callable[[], Mapping[str, StageNow]] = dict
    ) -> None:
        """Tell the supervisor what is counted. `states` tells how the stages stand."""
        if self._counts is None:
            return
        from runner.processes.telling import Teller

        self._counts.look_at(broker, states)
        WATCHERS.append(self._counts.called)
        self._teller = Teller(self._counts, supervision)
        self._teller.start()

    def end(self) -> None:
        """Tell the last of it."""
        if self._teller is not None:
            self._teller.stop()
        if self._exporting is not None:
            self._exporting.close()
