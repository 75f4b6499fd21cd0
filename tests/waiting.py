"""Waiting for a condition, which tests do instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable

TIMEOUT = 90.0
"""Seconds; far beyond what anything takes, for a busy machine."""


def wait_until(condition: Callable[[], object], *, timeout: float = TIMEOUT) -> None:
    """Return when `condition()` is true; fail where it isn't after `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not true within {timeout:g} s: {condition}")
        time.sleep(0.01)
