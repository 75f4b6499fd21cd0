"""Child processes kept alive: started, watched, started again, stopped in order.

The loop is that of a pre-forking server's arbiter: signal handlers only leave a
byte in a pipe, everything is done in one place. What a child does is not known here.

Children are forked, so that all of them run the very pipeline that was checked,
also when the file has changed since. The supervisor has no threads for that reason.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import os
import selectors
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType

from runner.errors import RunnerError

log = logging.getLogger("runner.supervisor")

START_FAILED = 3
"""The exit status of a child that can't start: starting it again would not help."""
FIRST_BACKOFF, LONGEST_BACKOFF = 0.25, 30.0
"""Seconds before a child that died is started again; doubled from the one to the other."""
STEADY = 60.0
"""Seconds after which a child's earlier deaths are forgotten."""
KILL_GRACE = 5.0
"""Seconds beyond the shutdown timeout, for acks to leave, before SIGKILL."""


class Stop(BaseException):
    """Raised in a child's main thread by SIGTERM: stop, in good order."""


class Supervision:
    """What a child has of its supervisor: somewhere to report to, and a sign of life."""

    def __init__(self, report: int, lifeline: int) -> None:
        self._report = report
        self._lifeline = lifeline

    def up(self) -> None:
        """This child does what it is for now."""
        self._tell(up=True)

    def fault(self, reason: str) -> None:
        """This child can't start, and starting it again wouldn't help."""
        self._tell(fault=reason)

    def watch(self) -> None:
        """Stop this child's process group when the supervisor is gone, however it died:
        nothing may go on unsupervised. Starts a thread."""

        def watch() -> None:
            os.read(self._lifeline, 1)
            os.killpg(0, signal.SIGTERM)

        threading.Thread(target=watch, name="lifeline", daemon=True).start()

    def _pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    return read, write


def _drain(read: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(read, 65536):
            parts.append(part)
    return b"".join(parts)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
