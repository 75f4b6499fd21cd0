"""What a stage does about an attempt that is in doubt: the words for it between the one that asks
(see `reconcile`) and the one that decides what becomes of the delivery (see `outcome`).
"""

from __future__ import annotations

from typing import Any, NamedTuple


class Unsettled(Exception):
    """Look it up again after the next wait; after the last one, park it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Provisional(NamedTuple):
    """A handler's `result` that isn't the last word: it is published, and looked up later."""

    result: Any
