"""What observes the processes of the runner: the only place where observers are attached."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from runner.events import Events, Observer
from runner.observability.log_lines import LogLines, Successes
from runner.pipeline import Pipeline
from runner.wording import facts

if TYPE_CHECKING:
    from runner.observability.counts import Counts
    from runner.observability.exporting import Exporting

log = logging.getLogger("runner")

_EXPORTS = {
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_METRICS_EXPORTER",
}
"""The variables that ask for an exporter."""


def attach(others: Iterable[Observer] = ()) -> Events:
    """The events of a process, observed by the standing observers and then by `others`."""
    told = [Successes()] if log.isEnabledFor(logging.DEBUG) else []
    return Events([LogLines(), *told, *others])


def exporting(pipeline: Pipeline, process: str) -> Exporting | None:
    """What tells OpenTelemetry of a process; None: the environment names no exporter, or there is none
    that works with it."""
    if not _EXPORTS & os.environ.keys() or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    system = "embedded" if pipeline.broker[0].startswith("embedded:") else "rabbitmq"
    try:
        from runner.observability.exporting import Exporting

        return Exporting(pipeline.name, process, system)
    except ModuleNotFoundError as error:
        log.warning(
            "nothing is told to OpenTelemetry: pip install 'acklast[otel]' (%s)", error, extra=facts(reason=error)
        )
    except Exception as error:  # noqa: BLE001 - a variable that it refuses, say: work goes on without it
        log.warning("nothing is told to OpenTelemetry: %s", error, extra=facts(reason=error))
    return None


def counting(pipeline: Pipeline, stages: Sequence[str] = (), routes: Sequence[str] = ()) -> Counts | None:
    """What counts in a process that works on `stages` and serves `routes`; None: nothing in the file
    would look at it."""
    if not pipeline.is_watched:
        return None
    from runner.observability.counts import Counts

    return Counts(stages, routes)
