"""An end to reads from a server that does not answer: one that was stopped breaks no connection.

psycopg has no time-out for an answer, and PostgreSQL's own needs a server that works. So one thread
shuts the connections of those that have waited for too long, whose reads fail then.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

EVERY = 0.25
"""Seconds between looks, while somebody reads."""


class Patience:
    """Bounds the time of reads. Any thread may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        """Guards the rest: nothing is shut that is no longer read from."""
        self._reading: dict[int, float] = {}
        """When whoever reads from a connection, by its file descriptor, has waited for too long (monotonic)."""
        self._looking = False

    @contextmanager
    def bounded(self, descriptor: int, seconds: float) -> Iterator[None]:
        """While something is read from the connection with this file descriptor, for so long at most."""
        with self._lock:
            self._reading[descriptor] = time.monotonic() + seconds
            if not self._looking:
                self._looking = True
                threading.Thread(target=self._look, name="patience", daemon=True).start()
        try:
            yield
        finally:
            with self._lock:
                self._reading.pop(descriptor, None)

    def _look(self) -> None:
        while self._shut_overdue():
            time.sleep(EVERY)

    def _shut_overdue(self) -> bool:
        """False: nobody reads any more."""
        with self._lock:
            now = time.monotonic()
            for descriptor in [one for one, end in self._reading.items() if end <= now]:
                del self._reading[descriptor]
                with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as connection:
                    connection.shutdown(socket.SHUT_RDWR)
            self._looking = bool(self._reading)
            return self._looking
