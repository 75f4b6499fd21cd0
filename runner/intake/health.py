"""Whether all is well, as three questions: `/health/live`, `/health/ready` and `/health/pipeline`.

The first is answered at once, the second nearly so, whatever the broker does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from flask import Response

from runner.brokers.base import Broker, Depth
from runner.config.loader import LoadedPipeline
from runner.intake.problems import RETRY_AFTER, answer, problem
from runner.intake.survey import SILENCE, Survey
from runner.pipeline import Http
from runner.wording import one_line, paused

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

PATIENCE = 1.0
"""Seconds that `/health/pipeline` waits for the broker; then it reports what it last knew."""
SHORT_PATIENCE = 0.2
"""The same for `/health/ready`: a load balancer asks often, and waits for nobody."""


class HealthViews:
    """The health of a run, asked of one of its processes, that has `broker`.

    It works with the queues that are `needed`; `here` tells what else is wrong with it.
    """

    def __init__(
        self,
        loaded: LoadedPipeline,
        broker: Broker,
        needed: Collection[str],
        here: Callable[[], Sequence[str]] = tuple[str],
    ) -> None:
        self._stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
        self._needed = needed
        self._here = here
        self._survey = Survey(broker, {*self._stages, *needed})

    @property
    def views(self) -> Mapping[str, Callable[[], Response]]:
        """The answer to each path."""
        return {"/health/live": self.live, "/health/ready": self.ready, "/health/pipeline": self.pipeline}

    @staticmethod
    def live() -> Response:
        """This process serves requests."""
        return answer(200, {"status": "live"})

    def ready(self) -> Response:
        """This run does its work: what is posted to it now is stored. Where it isn't known
        to be handled as well, the answer says so, and is a 200 all the same."""
        self._refresh(SHORT_PATIENCE)
        troubles = [*self._here(), *self._broker_troubles(self._needed)]
        behind = self._pipeline_troubles()
        if troubles or not behind:
            return _told(troubles)
        return answer(200, {"status": "accepting", "detail": "; ".join(behind)})

    def pipeline(self) -> Response:
        """What is posted now is handled: every stage has a worker, on whichever machine."""
        self._refresh(PATIENCE)
        return _told(self._pipeline_troubles())

    def _refresh(self, patience: float) -> None:
        self._survey.refresh(0.0 if self._survey.silent > SILENCE else patience)

    def _pipeline_troubles(self) -> list[str]:
        troubles, depths = self._broker_troubles(self._stages), self._survey.depths
        if depths is None:
            return troubles or ["the broker has not reported its queues yet"]
        idle = [
            _idle(stage, depths[queue])
            for queue, stage in self._stages.items()
            if queue in depths and not depths[queue].consumers
        ]
        return [*troubles, *idle]

    def _broker_troubles(self, needed: Collection[str]) -> list[str]:
        if trouble := self._survey.trouble:
            return [trouble]
        depths = self._survey.depths
        return [f"there is no queue {queue}" for queue in needed if depths is not None and queue not in depths]


def _idle(stage: str, depth: Depth) -> str:
    """Why a stage does nothing."""
    if not depth.paused:
        return f"stage {stage} has no worker"
    return f"stage {stage} is {paused(one_line(depth.why))}"


def published_to(http: Http) -> list[str]:
    """The queues that the intake publishes to by name."""
    places = {place for route in http.routes for written in route.publish for place in written.to}
    return sorted(place.key for place in places if not place.exchange)


def troubles_of(ledger: Ledger | None) -> Callable[[], Sequence[str]]:
    """What keeps the intake from remembering what it takes."""
    return lambda: [f"the ledger is away: {ledger.away}"] if ledger is not None and ledger.away else []


def _told(troubles: Sequence[str]) -> Response:
    if not troubles:
        return answer(200, {"status": "ready"})
    return problem(503, "; ".join(troubles), headers={"Retry-After": str(RETRY_AFTER)})
