"""All the stages of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import StartError
from runner.events import UNWATCHED, Events
from runner.pipeline import Stage
from runner.routing import Router
from runner.topology import plan
from runner.worker.outcome import Decider
from runner.worker.stage import StageWorker

PACE_EVERY = 5.0
"""Seconds between checks whether a stage takes as much in advance as it can handle."""


class Worker:
    """All the stages of `names` (None: of the whole pipeline) in this process."""

    def __init__(
        self,
        loaded: LoadedPipeline,
        broker: Broker,
        names: Iterable[str] | None = None,
        events: Events = UNWATCHED,
    ) -> None:
        topology = plan(loaded.pipeline)
        wanted = set(loaded.pipeline.stages if names is None else names)

        def decider(stage: Stage) -> Decider:
            router = Router(stage.publish, topology, loaded.schemas)
            return Decider(stage, loaded.schemas.get(stage.consume), router)

        self._over = threading.Event()
        self._pacer = threading.Thread(target=self._pace, name="pace", daemon=True)
        self._stages = [
            StageWorker(stage, loaded.handlers[stage.name], decider(stage), broker, events)
            for stage in loaded.pipeline.stages.values()
            if stage.name in wanted
        ]

    @property
    def ready(self) -> bool:
        """Whether every stage is registered as a consumer now, or was and is paused."""
        return all(stage.consuming or stage.paused for stage in self._stages)

    def start(self) -> None:
        """Build and enter every handler, then begin to consume.

        Raises StartError if a handler can't be entered; nothing was consumed then.
        """
        try:
            for stage in self._stages:
                stage.enter()
        except StartError:
            self.stop(timeout=1.0)
            raise
        for stage in self._stages:
            stage.consume()
        self._pacer.start()

    def stop(self, timeout: float) -> bool:
        """Take nothing more, give back what no handler has begun, and wait up to `timeout`
        seconds for the rest. False if some handler is still busy."""
        deadline = time.monotonic() + timeout
        self._over.set()
        for stage in self._stages:
            stage.stop()
        finished = [stage.join(deadline) for stage in self._stages]
        return all(finished)

    def _pace(self) -> None:
        while not self._over.wait(PACE_EVERY):
            for stage in self._stages:
                stage.pace(PACE_EVERY)
