"""Waiting for a condition, which tests do instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMEOUT = 90.0
"""Seconds; far beyond what anything takes, for a busy machine."""


def wait_until(condition: Callable[[], object], *, timeout: float = TIMEOUT) -> None:
    """Return when `condition()` is true; fail where it isn't after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    asked = time.monotonic()
    while not condition():
        answered = time.monotonic()
        if answered > deadline:
            raise AssertionError(f"not true within {timeout:g} s: {condition}")
        time.sleep(min(max(0.01, answered - asked), 1.0))  # what costs much to ask is asked less often
        asked = time.monotonic()
