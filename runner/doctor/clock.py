"""The clock of this machine: whether anything keeps it right, by the word of its kernel.

Left out: how it compares with PostgreSQL's (see `remembered`).
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator

from runner.config.loader import LoadedPipeline
from runner.findings import Finding

UNSYNCHRONIZED = 0x40
"""STA_UNSYNC in the status of adjtimex(2)."""


def clock(loaded: LoadedPipeline) -> Iterator[Finding]:
    """In production it is worth a warning: a virtual machine may have a right clock all the same, from its host."""
    status = kernels_status()
    if status is None:
        return
    if not status & UNSYNCHRONIZED:
        yield Finding("ok", "clock", "synchronized, says the kernel")
        return
    alone = "as far as the kernel knows, nothing synchronizes it"
    if loaded.pipeline.production:
        remedy = "let chrony or systemd-timesyncd run, unless its host keeps it: waits and signatures go by it"
        yield Finding("warning", "clock", alone, remedy)
    else:
        yield Finding("ok", "clock", f"{alone}; in production, that is a warning")


class _Timex(ctypes.Structure):
    """The first fields of `struct timex`, and room for the others. Without `modes` the call only reads."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("others", ctypes.c_char * 256),
    )


def kernels_status() -> int | None:
    """What Linux says; None: it isn't Linux, or a container may not ask."""
    if sys.platform != "linux":
        return None
    found = _Timex()
    try:
        asked = ctypes.CDLL(None).adjtimex(ctypes.byref(found))
    except (AttributeError, OSError):  # a C library without it
        return None
    return None if asked == -1 else int(found.status)
