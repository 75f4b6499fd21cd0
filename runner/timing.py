"""How long a handler's own calls take, to a mail server, say: for those who watch the stage.

    with timed("smtp"):
        server.send(mail)

Where nobody watches, nothing comes of it. Left out: what becomes of the times (`observability/counts.py`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

Watcher = Callable[[str, str, float], None]
"""Called with the stage, what was called, and the seconds; on the thread of the handler."""


class _Slot(threading.local):
    """What a thread works for."""

    stage = ""


SLOT = _Slot()
WATCHERS: list[Watcher] = []


class timed:  # noqa: N801 - it is used like a function
    """Times what is inside, under a name that is one of few: it becomes a label of a metric."""

    def __init__(self, call: str) -> None:
        self._call = call
        self._began = 0.0

    def __enter__(self) -> Self:
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        seconds = time.perf_counter() - self._began
        for watcher in WATCHERS:
            watcher(SLOT.stage, self._call, seconds)
