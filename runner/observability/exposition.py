"""The counts of a run as Prometheus and OpenMetrics read them: `docs/metrics.md` lists them all.

They are collected anew for each answer, from the supervisor's last snapshot and what the broker
tells of its queues. Left out: HTTP (see `console/metrics.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import (
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, choose_encoder, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from runner.brokers.base import Depth
from runner.observability.families import counter, gauge, histogram
from runner.observability.snapshot import Snapshot
from runner.pipeline import Pipeline

BREAKER_STATES = ("closed", "open", "probing")


@dataclass(frozen=True, slots=True)
class Queues:
    """What the broker tells of its queues."""

    depths: Mapping[str, Depth] | None = None
    """None: it doesn't answer."""
    ages: Mapping[tuple[str, str], float] = field(default_factory=dict)
    """Seconds, by queue and `ready` or `dead`."""


def exposition(pipeline: Pipeline, snapshot: Snapshot, queues: Queues, accept: str = "") -> tuple[bytes, str]:
    """All metrics, and their content type: as the `Accept` header of a scrape wants them."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(RunCollector(pipeline, snapshot, queues))
    try:
        encode, content_type = choose_encoder(accept)
    except (TypeError, ValueError):  # a version that is no number
        encode, content_type = generate_latest, CONTENT_TYPE_PLAIN_0_0_4
    return encode(registry), content_type


class RunCollector(Collector):
    """The metrics of one run at one moment."""

    def __init__(self, pipeline: Pipeline, snapshot: Snapshot, queues: Queues) -> None:
        self._pipeline = pipeline
        self._processes = snapshot.processes
        self._totals, self._now = snapshot.sum.totals, snapshot.sum.now
        self._age = max(0.0, time.time() - snapshot.at) if snapshot.at else float("inf")
        self._queues = queues

    def describe(self) -> Iterable[Metric]:
        """Nothing: the names of a run don't clash with others in a registry of its own."""
        return ()

    def collect(self) -> Iterator[Metric]:
        yield InfoMetricFamily("runner", "The pipeline that runs.", value={"pipeline": self._pipeline.name})
        yield gauge(
            "runner_snapshot_age_seconds",
            "How old the counts are; more than a few seconds: they stand still.",
            self._age,
        )
        yield from self._stages()
        yield from self._stages_now()
        yield from self._intake()
        yield from self._stores()
        yield from self._children()
        yield from self._on_queues()

    def _stages(self) -> Iterator[Metric]:
        stages, by = self._totals.stages, ("stage",)
        yield counter(
            "runner_stage_received",
            "Deliveries taken in hand.",
            by,
            (([name], stage.received) for name, stage in stages.items()),
        )
        outcomes = [
            ([name, outcome], count)
            for name, stage in stages.items()
            for outcome, count in (("handled", stage.handled), ("retried", stage.retried), ("dead", stage.dead))
        ]
        yield counter("runner_stage_outcomes", "Deliveries by what became of them.", (*by, "outcome"), outcomes)
        yield counter(
            "runner_stage_held",
            "Times that the broker took neither a result, nor a retry, nor a dead letter.",
            by,
            (([name], stage.held) for name, stage in stages.items()),
        )
        told = (
            ("runner_stage_handler_seconds", "From a handler's call to its end, however it ended.", "seconds"),
            ("runner_stage_queue_seconds", "From publication to the handler's call; of a sample.", "waited"),
            ("runner_stage_end_to_end_seconds", "From the intake to the end in this stage; of a sample.", "whole"),
        )
        for name, text, attribute in told:
            values = [([stage], getattr(totals, attribute)) for stage, totals in stages.items()]
            yield histogram(name, text, by, values)
        calls = [([name, what], call) for name, stage in stages.items() for what, call in stage.calls.items()]
        yield histogram("runner_stage_call_seconds", "Calls that handlers time: smtp, say.", (*by, "call"), calls)

    def _stages_now(self) -> Iterator[Metric]:
        now = {name: stage for name, stage in self._now.stages.items() if name in self._pipeline.stages}
        info = GaugeMetricFamily(
            "runner_stage_consumes", "1: the queue that a stage consumes.", labels=("stage", "queue")
        )
        for name in now:
            info.add_metric([name, self._pipeline.stages[name].consume], 1)
        yield info
        told = (
            ("runner_stage_slots", "Slots of a stage, in all processes: messages that it handles at once.", "slots"),
            ("runner_stage_busy_slots", "Slots whose handler is at work.", "busy"),
            ("runner_stage_paused_processes", "Processes in which a stage is paused.", "paused"),
        )
        for name, text, attribute in told:
            values = [([stage], getattr(state, attribute)) for stage, state in now.items()]
            yield gauge(name, text, ("stage",), values)
        states = [
            ([name, state], stage.breaker.get(state, 0))
            for name, stage in now.items()
            if stage.breaker
            for state in BREAKER_STATES
        ]
        yield gauge(
            "runner_stage_breaker_processes", "Processes by the state of a stage's breaker.", ("stage", "state"), states
        )

    def _intake(self) -> Iterator[Metric]:
        requests = [
            ([route, status], count)
            for route, statuses in self._totals.requests.items()
            for status, count in statuses.items()
        ]
        yield counter("runner_requests", "Requests by route and HTTP status.", ("route", "status"), requests)
        repeated = [([route], count) for route, count in self._totals.repeated.items()]
        yield counter(
            "runner_requests_repeated", "Requests answered as the first one with their key.", ("route",), repeated
        )
        answering = [([route], one) for route, one in self._totals.answering.items()]
        yield histogram(
            "runner_request_seconds", "Requests that were answered 202: until their confirm.", ("route",), answering
        )

    def _stores(self) -> Iterator[Metric]:
        now, totals = self._now, self._totals
        connections = [(["yes"], now.connected), (["no"], now.away)]
        yield gauge("runner_broker_processes", "Processes by whether they can publish.", ("connected",), connections)
        yield counter(
            "runner_broker_reconnects", "Lost connections that were made again.", (), [([], totals.reconnects)]
        )
        yield gauge("runner_broker_unconfirmed_messages", "Messages published, and not confirmed yet.", now.unconfirmed)
        if self._pipeline.ledger is not None:
            yield histogram(
                "runner_ledger_transaction_seconds", "Transactions of the ledger.", (), [([], totals.ledger)]
            )
            yield gauge("runner_ledger_away_processes", "Processes that wait for the ledger.", now.ledger_away)

    def _children(self) -> Iterator[Metric]:
        by, processes = ("process",), self._processes
        yield gauge(
            "runner_process_up",
            "1: the process works.",
            by,
            (([name], int(process.up)) for name, process in processes.items()),
        )
        yield counter(
            "runner_process_starts",
            "Times that the process was started.",
            by,
            (([name], process.starts) for name, process in processes.items()),
        )
        yield counter(
            "runner_process_cpu_seconds",
            "CPU time of the process, in all its lives.",
            by,
            (([name], process.told.totals.cpu) for name, process in processes.items() if process.told.totals.cpu),
        )

    def _on_queues(self) -> Iterator[Metric]:
        depths = self._queues.depths
        yield gauge("runner_broker_answers", "1: the broker tells of its queues.", int(depths is not None))
        counts = [
            ([queue, state], count)
            for queue, depth in (depths or {}).items()
            for state, count in (
                ("ready", depth.ready),
                ("in_hand", depth.in_hand),
                ("delayed", depth.delayed),
                ("dead", depth.dead),
            )
        ]
        yield gauge("runner_queue_messages", "Messages by where they are.", ("queue", "state"), counts)
        workers = [
            ([queue, state], count)
            for queue, depth in (depths or {}).items()
            for state, count in (("working", depth.consumers), ("paused", depth.paused), ("other", depth.strangers))
        ]
        yield gauge(
            "runner_queue_consumers",
            "Consumers on all machines: workers, and other programs.",
            ("queue", "state"),
            workers,
        )
        ages = [([queue, kind], age) for (queue, kind), age in self._queues.ages.items()]
        yield gauge(
            "runner_queue_oldest_seconds", "Age of the oldest message, at most; 0: none.", ("queue", "state"), ages
        )
