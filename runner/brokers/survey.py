"""What is on a broker, compared with what a pipeline needs there. Looking makes nothing.

Each broker's package fills it in (see `registry`). Left out: how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from runner.topology import PlannedBinding, Topology

Kind = Literal["exchange", "queue", "binding"]


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
    consumers: int = 0
    blocks: bool = True
    """Whether no run can start before it is mended; otherwise the next start changes it, or leaves it."""


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A queue that the pipeline doesn't name."""

    name: str
    messages: int
    consumers: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """A queue that the broker still has under its former name, it or a companion of it."""

    queue: str
    was: str
    messages: int
    """On it and on its companions."""
    consumers: int


@dataclass(frozen=True, slots=True)
class Survey:
    """All of it, each part in the order in which it is declared."""

    missing: tuple[tuple[Kind, str], ...] = ()
    """What is to be made."""
    differing: tuple[Differing, ...] = ()
    unfinished: tuple[tuple[str, int], ...] = ()
    """Queues that were being made anew when that was stopped, each with how many of its messages wait for that."""
    renamed: tuple[Renamed, ...] = ()
    unnamed: tuple[Unnamed, ...] = ()
    bindings: tuple[PlannedBinding, ...] = ()
    """Those of the pipeline's queues that it doesn't name: what is published to their exchanges still comes."""
    unlisted: str = ""
    """Why the queues and bindings that the pipeline doesn't name are unknown, and bindings that are missing; empty:
    they are known."""

    @property
    def taken_from(self) -> bool:
        """Whether somebody consumes a queue that has to be migrated."""
        return any(one.consumers for one in self.differing) or any(one.consumers for one in self.renamed)

    def conflicts(self, kind: Kind) -> list[str]:
        """The names of what keeps the pipeline from starting, or lacks a part of its messages."""
        names = [one.name for one in self.differing if one.blocks and one.kind == kind]
        if kind == "exchange":
            return names
        names += [name for name, _ in self.unfinished if name not in names]
        return names + [one.was for one in self.renamed]


def renamed(topology: Topology, counts: Callable[[str], tuple[int, int] | None]) -> tuple[Renamed, ...]:
    """What of `topology` has its former name on the broker; `counts` tells the messages and the consumers of a
    queue that is there."""
    found: dict[str, list[tuple[int, int]]] = {}
    for planned in topology.queues:
        if planned.was and (there := counts(planned.was)) is not None:
            found.setdefault(planned.home, []).append(there)
    was = {planned.name: planned.was for planned in topology.queues}
    return tuple(
        Renamed(home, was[home], *(sum(part) for part in zip(*there, strict=True))) for home, there in found.items()
    )
