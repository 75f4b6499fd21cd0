"""What the console shows: a run of a pipeline, and its broker. Left out: how it is shown."""

from __future__ import annotations

from dataclasses import dataclass

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.pipeline import Console, Pipeline


@dataclass(frozen=True, slots=True)
class Run:
    """What each page is given."""

    loaded: LoadedPipeline
    console: Console
    broker: Broker

    @property
    def pipeline(self) -> Pipeline:
        return self.loaded.pipeline
