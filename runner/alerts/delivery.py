"""Notices on their way: each channel has a thread, which tries the oldest one until it is taken.

A relay that is away delays notices, and holds up nothing else.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from typing import Protocol

from runner.alerts.conditions import Notice
from runner.errors import Reject
from runner.wording import facts

log = logging.getLogger("runner.alerts")

FIRST_WAIT, LONGEST_WAIT = 5.0, 300.0
"""Seconds before another attempt; each wait is twice the one before."""
MOST = 1_000
"""Notices that wait for a channel; beyond that, the oldest are left out."""


class Channel(Protocol):
    """A way to a person."""

    name: str

    def send(self, notice: Notice) -> None:
        """Raises Reject for one that will never be taken, and anything else for one that may be later."""


class Delivery:
    """The notices of one channel. Any thread may put one in."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._notices: deque[Notice] = deque(maxlen=MOST)
        self._wake = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"alerts-{channel.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, notice: Notice) -> None:
        self._notices.append(notice)
        self._wake.set()

    def stop(self) -> None:
        """Send nothing more; what is being sent is not waited for."""
        self._over.set()
        self._wake.set()

    def _run(self) -> None:
        while not self._over.is_set():
            self._wake.wait()
            self._wake.clear()
            while self._notices and not self._over.is_set():
                self._deliver(self._notices.popleft())

    def _deliver(self, notice: Notice) -> None:
        wait = FIRST_WAIT
        while not self._over.is_set():
            try:
                self._channel.send(notice)
            except Reject as error:
                told = facts(channel=self._channel.name, id=notice.id, reason=error)
                log.error(
                    "alerts: %s takes no notice like this one, which is given up: %s",
                    self._channel.name,
                    error,
                    extra=told,
                )
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the next attempt may work
                reason = str(error) or type(error).__name__
                told = facts(channel=self._channel.name, id=notice.id, reason=reason, delay=wait)
                log.warning("alerts: %s: %s; tried again in %g s", self._channel.name, reason, wait, extra=told)
            else:
                return
            self._over.wait(wait)
            wait = min(wait * 2, LONGEST_WAIT)
