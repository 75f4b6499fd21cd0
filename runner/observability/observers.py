"""What observes the processes of the runner: the only place where observers are attached."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runner.events import Events, Observer
from runner.observability.log_lines import LogLines, Successes
from runner.pipeline import Pipeline

if TYPE_CHECKING:
    from runner.observability.counts import Counts


def attach(others: Iterable[Observer] = ()) -> Events:
    """The events of a process, observed by the standing observers and then by `others`."""
    told = [Successes()] if logging.getLogger("runner").isEnabledFor(logging.DEBUG) else []
    return Events([LogLines(), *told, *others])


def counting(pipeline: Pipeline, stages: Sequence[str] = (), routes: Sequence[str] = ()) -> Counts | None:
    """What counts in a process that works on `stages` and serves `routes`; None: nothing in the file
    would look at it."""
    if pipeline.console is None:
        return None
    from runner.observability.counts import Counts

    return Counts(stages, routes)
