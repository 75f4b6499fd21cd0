"""What the console shows: a run of a pipeline, and its broker. Left out: how it is shown."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from runner.brokers.base import Broker, Depth
from runner.config.loader import LoadedPipeline
from runner.console.jobs import Jobs
from runner.errors import LedgerError
from runner.intake.survey import Survey
from runner.observability.snapshot import Snapshot
from runner.pipeline import Console, Pipeline, Stage
from runner.wording import facts

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger

log = logging.getLogger("runner.console")

PATIENCE = 1.0
"""Seconds that a page waits for the broker; then it shows what was last known."""


@dataclass(frozen=True, slots=True)
class Glance:
    """The queues as of a moment ago."""

    depths: Mapping[str, Depth]
    """Those of the queues that exist; none before the broker's first answer."""
    trouble: str
    """Why nothing newer is known; empty: this is new."""


def _ledger_of(pipeline: Pipeline) -> Ledger | None:
    if pipeline.ledger is None:
        return None
    from runner.ledger.ledger import Ledger  # which no other pipeline needs

    return Ledger(pipeline.ledger)


class Run:
    """A run of `loaded`, as its console sees it. Any thread may call any method, which may take
    `PATIENCE`."""

    def __init__(
        self,
        loaded: LoadedPipeline,
        console: Console,
        broker: Broker,
        processes: Callable[[], Mapping[str, bool]],
        snapshot: Callable[[], Snapshot] = Snapshot,
    ) -> None:
        """`processes` tells of each process of this run whether it is up, and `snapshot` what they have
        counted: about a second ago."""
        self.loaded, self.console, self.broker = loaded, console, broker
        self.processes = processes
        self.snapshot = snapshot
        self.pipeline: Pipeline = loaded.pipeline
        self.stages: Mapping[str, Stage] = {stage.consume: stage for stage in self.pipeline.stages.values()}
        """Queue → the stage that consumes it."""
        self.ledger = _ledger_of(self.pipeline)
        """None: the pipeline has none."""
        self.jobs = Jobs()
        self._survey = Survey(broker, self.pipeline.queues)

    def open(self) -> None:
        """Begin to open what it needs, without waiting."""
        if self.ledger is not None:
            threading.Thread(target=self._open_ledger, name="ledger-open", daemon=True).start()

    def close(self) -> None:
        self.jobs.end()
        if self.ledger is not None:
            self.ledger.close()

    def _open_ledger(self) -> None:
        assert self.ledger is not None
        try:
            self.ledger.open()
        except LedgerError as error:
            log.error("the console has no ledger: %s", error, extra=facts(reason=error))

    def down(self) -> list[str]:
        """What is wrong with its processes."""
        return [f"{name} is not up" for name, up in self.processes().items() if not up]

    def look(self) -> Glance:
        """The queues now, if the broker answers in time."""
        self._survey.refresh(PATIENCE)
        depths = self._survey.depths
        trouble = self._survey.trouble or ("" if depths is not None else "the broker has not reported its queues yet")
        return Glance(depths or {}, trouble)
