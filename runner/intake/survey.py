"""What the broker last reported about its queues: asked on a thread, one question at a time.

Callers don't wait for the broker, unless they say for how long.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping

from runner.brokers.base import Broker, Depth
from runner.errors import BrokerError

log = logging.getLogger("runner.intake")

FRESH = 0.5
"""Seconds that an answer stays valid, so that probes can't load the broker."""
SILENCE = 2.0
"""Seconds without an answer after which the broker counts as silent."""
INTEREST = 30.0
"""Seconds after the last caller during which a broker that doesn't answer is asked again."""


class Survey:
    """The depths of `queues`, as of a moment ago."""

    def __init__(self, broker: Broker, queues: Collection[str]) -> None:
        self._broker = broker
        self._queues = queues
        self._lock = threading.Lock()
        """Guards the rest; never held while the broker is asked."""
        self._wanted = 0.0
        """When a caller last asked, and below: when the broker was asked."""
        self._asked = -FRESH
        self._asking = False
        self._answered = threading.Event()
        self._depths: Mapping[str, Depth] | None = None
        self._trouble = ""

    def refresh(self, patience: float = 0.0) -> None:
        """Ask again if that is due, and wait up to `patience` seconds for the answer."""
        with self._lock:
            self._wanted = time.monotonic()
            if not self._asking and self._wanted - self._asked > FRESH:
                self._asking = True
                self._asked = self._wanted
                self._answered.clear()
                threading.Thread(target=self._ask, name="survey", daemon=True).start()
        self._answered.wait(patience)

    @property
    def depths(self) -> Mapping[str, Depth] | None:
        """Those of the last answer; None where there has been none."""
        return self._depths

    @property
    def trouble(self) -> str:
        """Why the last question has no answer; empty where it has one."""
        if not self._broker.available:
            return "the broker is away or takes no messages"
        if (waited := self.silent) > SILENCE:
            return f"the broker has not answered for {waited:.0f} s"
        return self._trouble

    @property
    def silent(self) -> float:
        """Seconds for which the broker has not answered."""
        with self._lock:
            return time.monotonic() - self._asked if self._asking and not self._answered.is_set() else 0.0

    def _ask(self) -> None:
        """Until there is an answer, or nobody wants to know any more: a broker that is back is
        seen at once, and not by the probe after the next."""
        while self._look():
            time.sleep(FRESH)
            with self._lock:
                self._asked = time.monotonic()
                self._answered.clear()

    def _look(self) -> bool:
        """Whether to look again."""
        depths, trouble = self._depths, ""
        try:
            depths = self._broker.depths(self._queues)
        except BrokerError as error:
            trouble = f"the broker doesn't answer: {error}"
        except Exception:  # as anywhere on a thread: else nobody would ever ask again
            log.exception("can't read the queues' depths")
            trouble = "the broker's answer can't be read"
        with self._lock:
            self._depths, self._trouble = depths, trouble
            self._asking = bool(trouble) and time.monotonic() - self._wanted < INTEREST
            self._answered.set()
            return self._asking
