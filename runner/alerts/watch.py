"""Looks at the run every few seconds, and hands what is news to the channels."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from runner.alerts.conditions import Alarms, Look, Notice
from runner.brokers.base import Broker
from runner.intake.survey import Survey
from runner.observability.ages import Ages
from runner.observability.snapshot import Snapshot
from runner.pipeline import Alerts, Pipeline
from runner.wording import facts

log = logging.getLogger("runner.alerts")

EVERY = 5.0
"""Seconds."""
PATIENCE = 2.0
"""Seconds that a look waits for the broker."""


class Watch:
    """Watches a run on a thread. `children` tells of each process whether it is up, `snapshot` what they
    have counted, and `tell` takes what is news; it returns at once."""

    def __init__(
        self,
        pipeline: Pipeline,
        alerts: Alerts,
        broker: Broker,
        children: Callable[[], Mapping[str, bool]],
        snapshot: Callable[[], Snapshot],
        tell: Callable[[Notice], None],
    ) -> None:
        self._stages = pipeline.stages
        self._survey = Survey(broker, pipeline.queues)
        self._children = children
        self._snapshot = snapshot
        self._tell = tell
        self._ages = Ages()
        self._alarms = Alarms(alerts)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()

    def look(self) -> Look:
        """The run now."""
        self._survey.refresh(PATIENCE)
        trouble, depths = self._survey.trouble, self._survey.depths
        stages = self._snapshot().sum.now.stages
        paused = {name: state.why for name, state in stages.items() if state.paused}
        if trouble or depths is None:
            return Look(paused=paused, troubles=[*self._down(), *([trouble] if trouble else [])])
        reached = {stage.consume: stages[name].reached for name, stage in self._stages.items() if name in stages}
        return Look(depths, self._ages.oldest(depths, reached), paused, self._down())

    def _down(self) -> Sequence[str]:
        return [f"{name} is not up" for name, up in self._children().items() if not up]

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            try:
                notices = self._alarms.news(self.look())
            except Exception:  # as anywhere on a thread: else nobody would ever be told again
                log.exception("the alerts could not be judged")
                continue
            for notice in notices:
                _log(notice)
                self._tell(notice)


def _log(notice: Notice) -> None:
    state = "firing" if notice.firing else "resolved"
    known = facts(condition=notice.key.condition, subject=notice.key.subject, state=state, id=notice.id)
    log.log(logging.WARNING if notice.firing else logging.INFO, "alert: %s", notice.text, extra=known)
