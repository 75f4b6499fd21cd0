"""Why a message failed for the first time on its queue: kept in its headers through all later failures.

A replay keeps it, too; a result ends it. Left out: why it failed last (see `outcome`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runner.message import FIRST_ERROR, FIRST_STAGE, FIRST_TIME

LONGEST = 500
"""Characters of the reason."""


def failed(headers: Mapping[str, Any], stage: str, reason: str) -> Mapping[str, Any]:
    """The headers of a message that has failed in `stage` for `reason`, which may be shown."""
    if FIRST_ERROR in headers:
        return headers
    return {**headers, FIRST_ERROR: reason[:LONGEST], FIRST_STAGE: stage, FIRST_TIME: now()}


def without(headers: Mapping[str, Any]) -> dict[str, Any]:
    """The headers of its sender alone."""
    return {name: value for name, value in headers.items() if name not in (FIRST_ERROR, FIRST_STAGE, FIRST_TIME)}


def now() -> str:
    """RFC 3339, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
