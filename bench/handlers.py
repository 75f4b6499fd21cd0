"""The runner's handlers: as little work as a handler can do, as for the peers."""

from __future__ import annotations

import time
from pathlib import Path

from bench.clock import Clock
from runner import Message


def forward(message: Message) -> dict[str, object]:
    """A payment → its notification."""
    payment = message.body
    return {"payment": message.id, "user": payment["user"], "card": payment["cardNo"][-4:]}


class WaitingForward:
    """`forward`, after a while."""

    def __init__(self, *, seconds: float) -> None:
        self._seconds = seconds

    def __call__(self, message: Message) -> dict[str, object]:
        time.sleep(self._seconds)
        return forward(message)


def accept(message: Message) -> None:
    """The end of the line."""


class TimedForward:
    """`forward`, which also notes when the first payment came."""

    def __init__(self, *, file: Path) -> None:
        self._clock = Clock(file, expected=0, every=1)

    def __call__(self, message: Message) -> dict[str, object]:
        self._clock.begin()
        return forward(message)


class TimedAccept:
    """`accept`, which also notes how many have come."""

    def __init__(self, *, file: Path, expected: int, every: int = 0) -> None:
        self._clock = Clock(file, expected, every)

    def __call__(self, _message: Message) -> None:
        self._clock.arrive()
