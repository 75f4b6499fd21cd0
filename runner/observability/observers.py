"""What observes the processes of the runner: the only place where observers are attached."""

from __future__ import annotations

from collections.abc import Iterable

from runner.events import Events, Observer
from runner.observability.log_lines import LogLines


def attach(others: Iterable[Observer] = ()) -> Events:
    """The events of a process, observed by the standing observers and then by `others`."""
    return Events([LogLines(), *others])
