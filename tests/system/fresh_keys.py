"""For Schemathesis: like any client, it uses a fresh Idempotency-Key for each valid request."""

from __future__ import annotations

import itertools
from typing import Any

import schemathesis

KEY = "Idempotency-Key"
_numbers = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """What is meant to be refused stays as it is."""
    if case.meta.generation.mode.is_positive and KEY in (case.headers or {}):
        case.headers[KEY] = f"key-{next(_numbers)}"
