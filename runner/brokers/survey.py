"""What is on a broker, compared with what a pipeline needs there. Looking makes nothing.

Each broker's package fills it in (see `registry`). Left out: how it is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["exchange", "queue"]


@dataclass(frozen=True, slots=True)
class Difference:
    """An argument that a queue or an exchange has on the broker, and another one in the pipeline."""

    argument: str
    there: str
    here: str


@dataclass(frozen=True, slots=True)
class Differing:
    """What exists with other arguments."""

    kind: Kind
    name: str
    differences: tuple[Difference, ...]
    messages: int = 0
    """Ready on the queue."""
    blocks: bool = True
    """Whether no run can start before it is mended; otherwise the next start changes it, or leaves it."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A queue that the pipeline doesn't name."""

    name: str
    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it, each part in the order in which it is declared."""

    missing: tuple[tuple[Kind, str], ...] = ()
    """What is to be made."""
    differing: tuple[Differing, ...] = ()
    unfinished: tuple[tuple[str, int], ...] = ()
    """Queues that were being made anew when that was stopped, each with how many of its messages wait for that."""
    unnamed: tuple[Unnamed, ...] = ()
    unlisted: str = ""
    """Why the queues that the pipeline doesn't name are unknown; empty: they are known."""

    def conflicts(self, kind: Kind) -> list[str]:
        """The names of what keeps the pipeline from starting, or lacks a part of its messages."""
        names = [one.name for one in self.differing if one.blocks and one.kind == kind]
        return names + [name for name, _ in self.unfinished if kind == "queue" and name not in names]
