"""What the console shows: a run of a pipeline, and its broker. Left out: how it is shown."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.observability.snapshot import Snapshot
from runner.pipeline import Console, Pipeline


@dataclass(frozen=True, slots=True)
class Run:
    """What each page is given."""

    loaded: LoadedPipeline
    console: Console
    broker: Broker
    snapshot: Callable[[], Snapshot] = Snapshot
    """What the processes of the run have counted, and how they stand; about a second old."""

    @property
    def pipeline(self) -> Pipeline:
        return self.loaded.pipeline
