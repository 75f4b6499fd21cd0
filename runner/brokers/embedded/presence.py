"""Which processes are alive, and how to wake them: lock files and FIFOs in a folder beside the
database.

A process shows that it is alive by a lock that the kernel drops when it dies. There are no
leases, so a process that is slow, stuck or stopped keeps what it holds. Knows no SQL.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path

from runner.locks import WriteLock, forget, keep_from_children, try_lock
from runner.privacy.files import make_file, make_folder

_WRITE_LOCK = "write.lock"
_TOKEN = re.compile(r"[0-9]{1,20}-[0-9a-f]{8}")
_NOBODY = "nobody"
"""A token of which there is no file."""


class Presence:
    """One broker object's sign of life: `<token>.lock`, held as long as it lives, and
    `<token>.wake`, a FIFO into which others write a byte when there is something to take.

    Raises OSError if the folder can't be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        make_folder(folder)
        self._writing = WriteLock(folder / _WRITE_LOCK)
        self._bells: dict[str, int] = {}
        self.token, self._lock = self._lock_new_file()
        fifo = folder / f"{self.token}.wake"
        os.mkfifo(fifo, 0o600)
        self.bell = os.open(fifo, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        """Readable when the bell was rung."""
        keep_from_children(self)

    def _lock_new_file(self) -> tuple[str, int]:
        while True:
            token = f"{os.getpid()}-{uuid.uuid4().hex[:8]}"
            lock = make_file(self._folder / f"{token}.lock", os.O_EXCL)
            # Another process that was clearing leftovers may have been quicker.
            if try_lock(lock) and os.fstat(lock).st_nlink:
                return token, lock
            os.close(lock)

    @property
    def intact(self) -> bool:
        """Whether others can still see us: False once our lock file was removed."""
        return self._lock >= 0 and os.fstat(self._lock).st_nlink > 0

    # -- the write lock -----------------------------------------------------------------

    def lock(self) -> None:
        """Wait for the lock under which processes write, one at a time."""
        self._writing.acquire()

    def unlock(self) -> None:
        self._writing.release()

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Hold the write lock."""
        self.lock()
        try:
            yield
        finally:
            self.unlock()

    # -- the others ---------------------------------------------------------------------

    def alive(self, token: str) -> bool:
        """Whether the owner `token` is alive."""
        dead = self.seize(token)
        if dead is None:
            return True
        dead.let_go()
        return False

    def seize(self, token: str) -> DeadOwner | None:
        """Take the lock of an owner that has died; None if it is alive (or another process has just
        taken the lock). An owner whose lock file is gone, or can't be there, counts as dead."""
        path = self._file(token, ".lock")
        try:
            lock = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return DeadOwner(path, -1)
        if try_lock(lock):
            return DeadOwner(path, lock)
        os.close(lock)
        return None

    def _file(self, token: str, suffix: str) -> Path:
        """Another program may have written any text as a token, such as a path to files of others."""
        return self._folder / f"{token if _TOKEN.fullmatch(token) else _NOBODY}{suffix}"

    def clear_leftovers(self, known: Iterable[str]) -> None:
        """Remove the files of processes that died before they were `known` as owners."""
        for file in self._folder.iterdir():
            stray = file.suffix in (".lock", ".wake") and file.stem not in {*known, self.token}
            if stray and file.name != _WRITE_LOCK and (dead := self.seize(file.stem)) is not None:
                dead.remove_files()

    def ring(self, tokens: Iterable[str]) -> None:
        """Wake these owners."""
        for token in tokens:
            with contextlib.suppress(BlockingIOError):  # full: it has long been rung
                try:
                    os.write(self._bell_of(token), b"\0")
                except OSError as error:
                    if error.errno not in (errno.ENXIO, errno.ENOENT, errno.EPIPE):
                        raise
                    self._forget(token)  # it has gone

    def _bell_of(self, token: str) -> int:
        bell = self._bells.get(token)
        if bell is None:
            path = self._file(token, ".wake")
            bell = self._bells[token] = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        return bell

    def _forget(self, token: str) -> None:
        bell = self._bells.pop(token, None)
        if bell is not None:
            os.close(bell)

    def forget_all_but(self, tokens: Iterable[str]) -> None:
        """Close the bells of owners that are gone."""
        for token in self._bells.keys() - set(tokens):
            self._forget(token)

    # -- the end ------------------------------------------------------------------------

    def withdraw(self) -> None:
        """Remove our files and let go of our lock. The folder and the write lock stay."""
        for suffix in (".wake", ".lock"):
            (self._folder / f"{self.token}{suffix}").unlink(missing_ok=True)
        self.let_go()

    def remove_folder(self) -> None:
        """Remove the folder, unless another process is in it."""
        with contextlib.suppress(OSError):
            if {file.stem for file in self._folder.iterdir()} == {Path(_WRITE_LOCK).stem}:
                self._writing.remove()
                self._folder.rmdir()

    def let_go(self) -> None:
        """Close every descriptor, and leave the files."""
        self.forget_all_but(())
        self._writing.let_go()
        for descriptor in (self.bell, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self.bell = self._lock = -1
        forget(self)


class DeadOwner:
    """An owner that has died. We hold its lock, so that no other process returns its claims, too."""

    def __init__(self, path: Path, lock: int) -> None:
        self._path = path
        self._lock = lock

    def remove_files(self) -> None:
        """Its claims have been returned: nothing is left to know of it."""
        self._path.with_suffix(".wake").unlink(missing_ok=True)
        self._path.unlink(missing_ok=True)
        self.let_go()

    def let_go(self) -> None:
        """Leave its files, and its claims if they weren't returned, to whoever looks next."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1
