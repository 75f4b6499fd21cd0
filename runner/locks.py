"""Locks on files by which a process shows that it is alive: the kernel drops them when it dies, however
it dies. Left out: which files, and what it holds (see `brokers.embedded.presence`, `ledger.holders`).
"""

from __future__ import annotations

import os
import sys
import weakref
from typing import Protocol

if sys.platform != "win32":
    import fcntl


class Holder(Protocol):
    """Has locks in this process."""

    def let_go(self) -> None:
        """Close their files, and leave these where they are."""


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
