"""Whoever makes queues anew, or moves messages from one to another, is alone at it: by a lock on a file that says
who has it. Left out: which file, and how RabbitMQ keeps others away (see the brokers' `migration`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.errors import BrokerSetupError
from runner.locks import try_lock
from runner.privacy.files import make_file, make_folder

LONGEST = 500
"""Bytes of what a file says."""


@contextmanager
def alone(path: Path, who: str) -> Iterator[None]:
    """Have the lock on `path`, in which others read that `who` has it. The file is removed in the end; one that
    a dead process has left keeps nobody away. Raises BrokerSetupError."""
    try:
        make_folder(path.parent)
        file = _locked(path)
    except OSError as error:
        raise BrokerSetupError(f"{path}: can't be locked: {error.strerror}") from error
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, who.encode(errors="replace")[:LONGEST], 0)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(file)


def check_nobody_has(path: Path) -> None:
    """Raises BrokerSetupError, which says who has the lock on `path`."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    try:
        _check(file)
    finally:
        os.close(file)


def _locked(path: Path) -> int:
    while True:
        file = make_file(path)
        try:
            _check(file)
        except BrokerSetupError:
            os.close(file)
            raise
        if os.fstat(file).st_nlink:
            return file
        os.close(file)  # who had it before has just removed it


def _check(file: int) -> None:
    """Lock it. Raises BrokerSetupError."""
    if not try_lock(file):
        who = os.pread(file, LONGEST, 0).decode(errors="replace") or "somebody"
        raise BrokerSetupError(f"{who} is at work on these queues; wait until that has ended, or stop it")
