"""Locks on files by which a process shows that it is alive, or waits for its turn to write: the kernel drops
them when it dies, however it dies. Left out: which files, and what a process holds (see
`brokers.embedded.presence`, `ledger.holders`).
"""

from __future__ import annotations

import os
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Protocol

from runner.privacy.files import make_file, make_folder

if sys.platform != "win32":
    import fcntl


class Holder(Protocol):
    """Has locks in this process."""

    def let_go(self) -> None:
        """Close their files, and leave these where they are."""


POLL = 0.001
"""Seconds between attempts at a lock that is waited for with a time-out."""


class WriteLock:
    """Lets one thread of one process write at a time, and whoever waits before whoever has just written. SQLite by
    itself would sleep and poll, ever more seldom, so that one busy process lets no other write for seconds.

    Locks `path` and, while waiting for that, `path` with the suffix `.next`.
    """

    def __init__(self, path: Path) -> None:
        self._paths = [path, path.with_suffix(".next")]
        self._files: list[int] = []
        self._of_threads = threading.Lock()
        self._ours = False

    def acquire(self, timeout: float | None = None) -> bool:
        """Whether it is ours, within `timeout` seconds (None: however long it takes). Raises OSError."""
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._of_threads.acquire(timeout=-1 if timeout is None else timeout):
            return False
        ours = False
        try:
            if not self._files:
                self._open()
            turn, following = self._files
            if _locked(following, deadline):
                try:
                    ours = self._ours = _locked(turn, deadline)
                finally:
                    fcntl.flock(following, fcntl.LOCK_UN)
        finally:
            if not ours:
                self._of_threads.release()
        return ours

    def release(self) -> None:
        """Whoever waits is next. Does nothing if it isn't ours."""
        if not self._ours:
            return
        self._ours = False
        fcntl.flock(self._files[0], fcntl.LOCK_UN)
        self._of_threads.release()

    def remove(self) -> None:
        """Remove its files, which nobody uses any more. Raises OSError."""
        for path in self._paths:
            path.unlink(missing_ok=True)

    def let_go(self) -> None:
        for file in self._files:
            os.close(file)
        self._files, self._ours = [], False
        self._of_threads = threading.Lock()
        forget(self)

    def _open(self) -> None:
        make_folder(self._paths[0].parent)
        self._files = [make_file(path) for path in self._paths]
        keep_from_children(self)


def _locked(file: int, deadline: float | None) -> bool:
    if deadline is None:
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    while not try_lock(file):
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL)
    return True


_holders: weakref.WeakSet[Holder] = weakref.WeakSet()


def try_lock(descriptor: int) -> bool:
    """Whether nobody has the lock; then it is ours until the file is closed. Raises OSError."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keep_from_children(holder: Holder) -> None:
    """A forked child shares our locks: left open there, they would outlive us. From now on, it lets go."""
    _holders.add(holder)


def forget(holder: Holder) -> None:
    """It has let go of its locks."""
    _holders.discard(holder)


def _let_go_in_child() -> None:
    for holder in list(_holders):
        holder.let_go()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_let_go_in_child)
