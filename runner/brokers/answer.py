"""`Answer`: what one thread answers and another waits for."""

from __future__ import annotations

from threading import Lock


class Answer:
    """Given once by one thread, awaited by one other thread."""

    __slots__ = ("_error", "_lock", "given")

    def __init__(self) -> None:
        self.given = False
        self._error: Exception | None = None
        # A bare lock, released once: a tenth of the cost of an Event or a Future.
        self._lock = Lock()
        self._lock.acquire()

    def give(self, error: Exception | None = None) -> None:
        """`error` is why it failed."""
        self._error = error
        self.given = True
        self._lock.release()

    def wait(self, timeout: float) -> bool:
        """Whether it was given in time (seconds). If it is an error, raises that."""
        if not self._lock.acquire(timeout=max(0.0, timeout)):
            return False
        if self._error is not None:
            raise self._error
        return True
