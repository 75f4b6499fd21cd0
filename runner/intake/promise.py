"""`Promise`: a result that comes on another thread, for one who waits for it.

`concurrent.futures.Future` may have many waiters, and be cancelled: its locks cost a request as much as checking
its body.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Promise(Generic[T]):
    """Kept once, by any thread, whether or not somebody still waits."""

    __slots__ = ("_error", "_value", "_wake", "kept")

    def __init__(self) -> None:
        self.kept = False
        self._value: T
        self._error: Exception | None = None
        self._wake: Callable[[], object] | None = None

    def keep(self, value: T) -> None:
        self._value = value
        self._tell()

    def fail(self, error: Exception) -> None:
        """From now on `result` raises `error`."""
        self._error = error
        self._tell()

    def _tell(self) -> None:
        self.kept = True  # before it is looked whether somebody waits: who waits looks the other way round
        if (wake := self._wake) is not None:
            wake()

    def when_kept(self, wake: Callable[[], object]) -> None:
        """Call `wake`, on whichever thread; twice, if both come at once."""
        self._wake = wake
        if self.kept:
            wake()

    def result(self, timeout: float = 0.0) -> T:
        """Wait for up to `timeout` seconds; then raises TimeoutError. To be asked once it is kept only once."""
        if not self.kept:
            woken = threading.Event()
            self.when_kept(woken.set)
            if not woken.wait(timeout):
                raise TimeoutError
        if (error := self._error) is None:
            return self._value
        self._error = None
        try:
            raise error
        finally:
            del error  # kept here or in `self`, it would keep those who are on its traceback, and what they have
