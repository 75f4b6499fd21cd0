"""Whether the pipeline is well: `/health/live` and `/health/ready`."""

from __future__ import annotations

import threading
import time

from flask import Response

from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerError
from runner.intake.problems import RETRY_AFTER, answer, problem

READY_CACHE = 0.5
"""Seconds that an answer about readiness holds, so that probes can't load the broker."""


def live() -> Response:
    """This process serves requests."""
    return answer(200, {"status": "live"})


class Readiness:
    """Whether what is posted now would be handled: the broker takes messages, and every
    stage has a worker, on whichever machine, that is registered as its consumer."""

    def __init__(self, loaded: LoadedPipeline, broker: Broker) -> None:
        self._stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
        self._broker = broker
        self._lock = threading.Lock()
        self._known: tuple[float, list[str]] = (0.0, [])

    def ready(self) -> Response:
        missing = self._missing()
        if not missing:
            return answer(200, {"status": "ready"})
        return problem(503, "; ".join(missing), headers={"Retry-After": str(RETRY_AFTER)})

    def _missing(self) -> list[str]:
        if not self._broker.available:
            return ["the broker is away or takes no messages"]
        with self._lock:
            asked, missing = self._known
            if time.monotonic() - asked > READY_CACHE or not asked:
                missing = self._ask()
                self._known = (time.monotonic(), missing)
            return missing

    def _ask(self) -> list[str]:
        try:
            depths = self._broker.depths(self._stages)
        except BrokerError as error:
            return [f"the broker doesn't answer: {error}"]
        return [
            f"stage {stage} has no consumer on {queue}" if queue in depths else f"there is no queue {queue}"
            for queue, stage in self._stages.items()
            if queue not in depths or not depths[queue].consumers
        ]
