"""How a child's counts get to the supervisor, and the sum of all to the child that shows them.

Both go through pipes, about once a second, and as totals: what a slow reader misses, the next
one contains. Left out: what is counted (`observability/counts.py`), and the sum (`summing`).
"""

from __future__ import annotations

import logging
import select
import threading
from collections.abc import Callable

from runner.observability.counts import Counts
from runner.observability.snapshot import Snapshot
from runner.processes.child import Supervision
from runner.processes.pipes import Inlet

log = logging.getLogger("runner.supervisor")

EVERY = 1.0
"""Seconds."""


class Teller:
    """Tells the supervisor what `counts` has counted, until it is stopped."""

    def __init__(self, counts: Counts, supervision: Supervision) -> None:
        self._counts = counts
        self._supervision = supervision
        self._over = threading.Event()
        self._telling = threading.Lock()
        """Held from counting up to telling, so that nothing older is told later: counters never go back."""
        self._thread = threading.Thread(target=self._run, name="counts", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Tell it a last time."""
        self._over.set()
        self._tell()

    def _run(self) -> None:
        while not self._over.wait(EVERY):
            self._tell()

    def _tell(self) -> None:
        with self._telling:
            self._supervision.counted(self._counts.told())


class Latest:
    """The last snapshot of the run that the supervisor has handed over. Any thread may look."""

    def __init__(self, descriptor: int) -> None:
        self.snapshot = Snapshot()
        self._inlet = Inlet(descriptor)
        self._watchers: list[Callable[[Snapshot], None]] = []
        self._thread = threading.Thread(target=self._run, name="snapshots", daemon=True)

    def watch(self, watcher: Callable[[Snapshot], None]) -> None:
        """Call it for each snapshot, on a thread where it must return at once. Before `start`."""
        self._watchers.append(watcher)

    def start(self) -> None:
        self._thread.start()

    def _run(self) -> None:
        arrived = select.poll()
        arrived.register(self._inlet.descriptor, select.POLLIN)
        while True:
            [(_, happened)] = arrived.poll()
            if lines := self._inlet.lines():
                self._take(lines[-1])
            elif happened & (select.POLLHUP | select.POLLERR):
                return

    def _take(self, line: bytes) -> None:
        self.snapshot = Snapshot.from_json(line)
        for watcher in self._watchers:
            try:
                watcher(self.snapshot)
            except Exception:
                log.exception("what watches the counts has failed")
