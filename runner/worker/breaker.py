"""A stage's circuit breaker: after failures in a row the stage pauses, and then tries one message. Decides only.

Closed: all is well. Open: the stage is paused. Probing: it takes one message at a time, until one
shows that the service works, or fails: then it is open again.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import NamedTuple

from runner.message import Outgoing
from runner.pipeline import Breaker
from runner.worker.outcome import Fault, Outcome


class Verdict(NamedTuple):
    """What a stage does after an attempt."""

    pause: str = ""
    """Why it pauses; empty: it doesn't."""
    spare: bool = False
    """Whether the attempt isn't counted."""
    go_on: bool = False
    """Whether it takes as many as ever again."""


NOTHING = Verdict()


class CircuitBreaker:
    """That of one stage in one process. Any thread may call any method."""

    def __init__(self, breaker: Breaker) -> None:
        self.pause = breaker.pause
        """Seconds."""
        self._most = breaker.failures
        self._lock = threading.Lock()
        """Guards the rest."""
        self._failures = 0
        self._open = False
        self.probing = False

    @property
    def state(self) -> str:
        """`closed`, `open` or `probing`."""
        return "probing" if self.probing else "open" if self._open else "closed"

    def heard(self, done: Sequence[Outgoing] | Outcome) -> Verdict:
        """An attempt has ended: with the messages to publish, or otherwise."""
        if not isinstance(done, Outcome):
            return self._succeeded() if self._failures else NOTHING
        return self._failed(done) if done.fault else NOTHING

    def resumed(self) -> None:
        """The stage's pause is over."""
        with self._lock:
            self.probing, self._open = self.probing or self._open, False

    def _succeeded(self) -> Verdict:
        with self._lock:
            was_probing = self.probing
            self._failures, self._open, self.probing = 0, False, False
            return Verdict(go_on=was_probing)

    def _failed(self, outcome: Outcome) -> Verdict:
        with self._lock:
            self._failures += 1
            spare = (self._open or self.probing) and outcome.fault is Fault.PASSING
            tripped = self.probing or (not self._open and self._failures >= self._most)
            if not tripped:
                return Verdict(spare=spare)
            self._open, self.probing = True, False
            many = "1 attempt has" if self._failures == 1 else f"{self._failures} attempts in a row have"
            why = f"{many} failed, the last with: {outcome.reason}"
            return Verdict(why, spare)
