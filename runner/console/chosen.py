"""Which dead letters somebody means: the choice in a page's address, or in its form.

It is the same as the options of `runner dead`, and travels through plan and deed unchanged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runner.deadletters import Filter, Group
from runner.units import parse_duration

SPANS = ("15m", "1h", "6h", "1d", "7d")
"""How long ago, for choosing."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What is empty takes all."""

    queue: str = ""
    stage: str = ""
    error: str = ""
    """A part of the error, or of its kind."""
    since: str = ""
    """One of `SPANS`."""
    id: str = ""

    @property
    def filter(self) -> Filter:
        since = datetime.now(UTC) - timedelta(seconds=parse_duration(self.since)) if self.since else None
        ids = frozenset([self.id]) if self.id else frozenset[str]()
        return Filter(ids, self.stage, self.error, since)

    @property
    def queues(self) -> list[str]:
        return [self.queue] if self.queue else []

    @property
    def given(self) -> dict[str, str]:
        """Without what is empty."""
        every = {"queue": self.queue, "stage": self.stage, "error": self.error, "since": self.since, "id": self.id}
        return {name: value for name, value in every.items() if value}


def read_choice(values: Mapping[str, str]) -> Choice:
    """From an address or a form. What can't be is as good as nothing."""
    given = {name: values.get(name, "").strip() for name in ("queue", "stage", "error", "since", "id")}
    return Choice(**given | {"since": given["since"] if given["since"] in SPANS else ""})


def choice_of(group: Group, since: str) -> Choice:
    """The dead letters of a group."""
    return Choice(group.queue, group.stage, group.kind, since)
