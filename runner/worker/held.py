"""Keeps those stages of a worker paused that an operator has paused (see `ledger.pauses`).

The ledger is asked once a second. While it is away everything is paused anyhow.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from runner.errors import LedgerError
from runner.wording import facts
from runner.worker.stage import StageWorker

if TYPE_CHECKING:
    from runner.ledger.pauses import Pauses

log = logging.getLogger("runner.worker")

EVERY = 1.0
"""Seconds until a worker has heard of a pause, and of its end."""


class Held:
    """Of the stages of one worker, by name."""

    def __init__(self, stages: Mapping[str, StageWorker], pauses: Pauses) -> None:
        self._stages = stages
        self._pauses = pauses
        self._held: set[str] = set()
        """Those that are paused for this reason."""

    def start(self) -> None:
        """Let every stage begin to consume, or be paused from the beginning."""
        paused = self._wanted()
        for name, stage in self._stages.items():
            if name in paused:
                stage.begin_paused(paused[name], math.inf)
                self._held.add(name)
            else:
                stage.consume()

    def follow(self, over: Callable[[float], bool]) -> None:
        """Go by the ledger until `over(seconds)`, which waits, returns True."""
        while not over(EVERY):
            try:
                self.look()
            except LedgerError as error:
                log.debug("the pauses could not be read: %s", error, extra=facts(reason=error))
            except Exception:
                log.exception("the pauses could not be read")

    def look(self) -> None:
        """One that is paused for another reason is paused for this one when that is over."""
        paused = self._wanted()
        for name, stage in self._stages.items():
            if name in paused and not stage.paused and stage.pause(paused[name], math.inf):
                self._held.add(name)
            elif name not in paused and name in self._held:
                self._held.discard(name)
                stage.resume()

    def _wanted(self) -> Mapping[str, str]:
        """The paused stages, and why."""
        return {name: str(pause) for name, pause in self._pauses.all().items()}
