"""The observer that tells OpenTelemetry: a span for each request and each attempt, and their durations.

It is attached where the extra `otel` is installed and the environment names an exporter, by the variables
that OpenTelemetry itself defines (`OTEL_EXPORTER_OTLP_ENDPOINT`, `OTEL_TRACES_SAMPLER`, …). The names
follow its conventions for messaging, which are experimental: they may change with theirs, here alone.

A span is told when it has ended, under the id that its messages carry (see `runner.traces`). Left out:
spans within a handler; one that makes its own passes `message.headers["traceparent"]` on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from runner.events import Failure, Observer
from runner.message import Delivery, Outgoing
from runner.traces import TRACEPARENT, TRACING, Span, child, read, root

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.metrics import MeterProvider

NAME = "acklast"
BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10]
"""Seconds: those that the conventions advise."""
Attributes = dict[str, str | int]


class Given(IdGenerator):
    """Gives a span the ids that its messages carry already."""

    def __init__(self) -> None:
        self._next = threading.local()
        self._random = RandomIdGenerator()

    def give(self, span: Span) -> None:
        """To the next span of this thread."""
        self._next.span = span

    def generate_span_id(self) -> int:
        span: Span | None = getattr(self._next, "span", None)
        return self._random.generate_span_id() if span is None else int(span.id, 16)

    def generate_trace_id(self) -> int:
        span: Span | None = getattr(self._next, "span", None)
        return self._random.generate_trace_id() if span is None else int(span.trace, 16)


class Telemetry(Observer):
    """Tells `traces` of each span, whose ids are from `given`, and `metrics` of each duration. `system` is
    the broker: `rabbitmq`, or `embedded`."""

    def __init__(self, traces: TracerProvider, metrics: MeterProvider, given: Given, system: str) -> None:
        self._tracer = traces.get_tracer(NAME)
        self._given = given
        self._system = system
        meter = metrics.get_meter(NAME)
        self._requests = meter.create_histogram(
            "http.server.request.duration", "s", "Requests.", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._attempts = meter.create_histogram(
            "messaging.process.duration", "s", "Attempts.", explicit_bucket_boundaries_advisory=BOUNDS
        )
        self._consumed = meter.create_counter("messaging.client.consumed.messages", "{message}", "Deliveries.")

    # -- the intake ---------------------------------------------------------------------

    def accepted(self, route: str, messages: Sequence[Outgoing], seconds: float) -> None:
        method, _, path = route.partition(" ")
        where: Attributes = {"http.request.method": method, "http.route": path, "http.response.status_code": 202}
        self._requests.record(seconds, where)
        span = read(messages[0].headers.get(TRACEPARENT))
        if span is None:
            return
        sent = TRACING.parent_of(span.id)
        parent = None if sent is None else span._replace(id=sent)
        to = str(messages[0].destination)
        about = where | self._messaging("send", to, messages[0].id)
        if len(messages) > 1:
            about["messaging.batch.message_count"] = len(messages)
        self._tell(span, parent, f"send {to}", SpanKind.PRODUCER, seconds, about)

    def refused(
        self, route: str, status: int, reason: str, seconds: float = 0.0, traceparent: str | None = None
    ) -> None:
        """A server's span, as the conventions for HTTP have it: below 500, the client is to blame."""
        if not route:  # what nobody serves may be anything
            return
        method, _, path = route.partition(" ")
        about: Attributes = {"http.request.method": method, "http.route": path, "http.response.status_code": status}
        if status >= 500:
            about["error.type"] = str(status)
        if seconds:
            self._requests.record(seconds, about)
        parent = read(traceparent)
        span = root() if parent is None else child(parent)
        failure = Failure(reason, 1, 1) if status >= 500 else None
        self._tell(span, parent, route, SpanKind.SERVER, seconds, about | {"runner.reason": reason}, failure)

    # -- a worker -----------------------------------------------------------------------

    def handled(self, stage: str, delivery: Delivery, messages: Sequence[Outgoing], seconds: float) -> None:  # noqa: ARG002 - an Observer
        self._attempted(stage, delivery, delivery.attempt, seconds)

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:  # noqa: ARG002 - as above
        self._attempted(stage, delivery, failure.attempt, failure.seconds, failure)

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        self._attempted(stage, delivery, failure.attempt, failure.seconds, failure)

    def _attempted(
        self, stage: str, delivery: Delivery, attempt: int, seconds: float, failure: Failure | None = None
    ) -> None:
        about = self._messaging("process", delivery.queue) | {"messaging.consumer.group.name": stage}
        if failure is not None:
            about["error.type"] = failure.error or "_OTHER"
        self._attempts.record(seconds, about)
        self._consumed.add(1, about)
        span = read(delivery.traceparent)
        if span is None:
            return
        about |= {"messaging.message.id": delivery.id, "runner.attempt": attempt}
        parent = read(delivery.headers.get(TRACEPARENT))
        self._tell(span, parent, f"process {delivery.queue}", SpanKind.CONSUMER, seconds, about, failure)

    # -- spans ----------------------------------------------------------------------------

    def _messaging(self, operation: str, queue: str, message: str = "") -> Attributes:
        about: Attributes = {
            "messaging.system": self._system,
            "messaging.operation.name": operation,
            "messaging.operation.type": operation,
            "messaging.destination.name": queue,
        }
        return about | {"messaging.message.id": message} if message else about

    def _tell(
        self,
        span: Span,
        parent: Span | None,
        name: str,
        kind: SpanKind,
        seconds: float,
        about: Mapping[str, str | int],
        failure: Failure | None = None,
    ) -> None:
        """A span that ends now."""
        now = time.time_ns()
        self._given.give(span)
        told = self._tracer.start_span(
            name, _below(parent), kind, about, start_time=now - round(seconds * 1e9), record_exception=False
        )
        if failure is not None:
            told.set_status(Status(StatusCode.ERROR, failure.reason))
            if failure.traceback:
                exception = {"exception.type": failure.error, "exception.stacktrace": failure.traceback}
                told.add_event("exception", exception, now)
        told.end(now)


def _below(parent: Span | None) -> Context | None:
    if parent is None:
        from opentelemetry.context import Context

        return Context()
    flags = TraceFlags(int(parent.flags, 16) & 1)
    context = SpanContext(int(parent.trace, 16), int(parent.id, 16), is_remote=True, trace_flags=flags)
    return set_span_in_context(NonRecordingSpan(context))
