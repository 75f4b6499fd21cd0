"""What OpenTelemetry is told: by its in-memory exporters, and as a collector gets it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from runner.engine import Engine
from runner.message import Message
from runner.observability.opentelemetry import Given, Telemetry
from runner.traces import TRACING, read
from tests.pipelines import loaded
from tests.waiting import wait_until

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SENT = f"00-{TRACE}-{SPAN}-01"
PIPELINE = """
    name: traced
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      routes:
        POST /work: {publish: first, headers: [traceparent]}
    queues: {first: {}, second: {}}
    stages:
      one:
        consume: first
        handler: "tests.observability.test_opentelemetry:do"
        publish: second
        retry: {attempts: 2, delay: 10ms}
      two: {consume: second, handler: "tests.observability.test_opentelemetry:do"}
"""
SEEN: list[tuple[str, int, str | None]] = []


def do(message: Message) -> object:
    SEEN.append((message.queue, message.attempt, message.headers.get("traceparent")))
    if message.body == "fail once" and message.attempt == 1 and message.queue == "first":
        raise ValueError("no")
    return message.body if message.queue == "first" else None


class Told:
    """An observer, and what it has told."""

    def __init__(self) -> None:
        self._exporter, self._reader = InMemorySpanExporter(), InMemoryMetricReader()
        given = Given()
        traces = TracerProvider(id_generator=given)
        traces.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.observer = Telemetry(traces, MeterProvider([self._reader]), given, "embedded")

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._exporter.get_finished_spans())

    def metrics(self) -> dict[str, int]:
        """How many of each were recorded."""
        data: Any = self._reader.get_metrics_data()
        found = [metric for group in data.resource_metrics for scope in group.scope_metrics for metric in scope.metrics]
        return {
            metric.name: sum(getattr(point, "count", None) or point.value for point in metric.data.data_points)
            for metric in found
        }


@pytest.fixture
def told() -> Iterator[Told]:
    SEEN.clear()
    TRACING.starts = lambda _trace: True
    yield Told()
    TRACING.starts = None


def run(folder: Path, told: Told, body: object, headers: dict[str, str], spans: int) -> list[ReadableSpan]:
    with Engine(loaded(folder, PIPELINE), observers=[told.observer]) as engine:
        data = json.dumps(body).encode()
        request = urllib.request.Request(engine.url + "/work", data, {"Content-Type": "application/json", **headers})
        urllib.request.urlopen(request, timeout=30).close()
        wait_until(lambda: len(told.spans) == spans)
    return sorted(told.spans, key=lambda span: span.end_time or 0)


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Its trace, itself, its parent."""
    context: Any = span.context
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{span.parent.span_id:016x}" if span.parent else ""


def test_each_hop_is_a_span_below_the_one_before(tmp_path: Path, told: Told) -> None:
    sent, one, two = _in_order(run(tmp_path, told, {}, {"traceparent": SENT}, 3))
    assert [span.name for span in (sent, one, two)] == ["send first", "process first", "process second"]
    assert {ids(span)[0] for span in (sent, one, two)} == {TRACE}
    assert ids(sent)[2] == SPAN
    assert ids(one)[2] == ids(sent)[1]
    assert ids(two)[2] == ids(one)[1]
    assert (sent.kind, one.kind) == (SpanKind.PRODUCER, SpanKind.CONSUMER)
    assert one.attributes is not None
    assert one.attributes["messaging.system"] == "embedded"
    assert one.attributes["messaging.destination.name"] == "first"
    assert one.attributes["messaging.consumer.group.name"] == "one"
    assert sent.attributes is not None
    assert one.attributes["messaging.message.id"] == sent.attributes["messaging.message.id"]
    assert sent.attributes["http.route"] == "/work"


def _in_order(spans: list[ReadableSpan]) -> list[ReadableSpan]:
    order = {"send first": 0, "process first": 1, "process second": 2}
    return sorted(spans, key=lambda span: (order[span.name], span.start_time or 0))


def test_a_handler_sees_the_span_of_its_attempt_to_pass_on(tmp_path: Path, told: Told) -> None:
    _, one, two = _in_order(run(tmp_path, told, {}, {"traceparent": SENT}, 3))
    assert [seen for _, _, seen in SEEN] == [f"00-{TRACE}-{ids(span)[1]}-01" for span in (one, two)]


def test_attempts_are_siblings_and_one_that_failed_says_why(tmp_path: Path, told: Told) -> None:
    sent, failed, handled, after = _in_order(run(tmp_path, told, "fail once", {"traceparent": SENT}, 4))
    assert ids(failed)[2] == ids(handled)[2] == ids(sent)[1]
    assert ids(failed)[1] != ids(handled)[1]
    assert ids(after)[2] == ids(handled)[1]
    assert failed.status.status_code is StatusCode.ERROR
    assert failed.attributes is not None
    assert (failed.attributes["error.type"], failed.attributes["runner.attempt"]) == ("ValueError", 1)
    [event] = failed.events
    assert event.attributes is not None
    assert "ValueError: no" in str(event.attributes["exception.stacktrace"])
    assert handled.status.status_code is StatusCode.UNSET


def test_a_request_without_a_trace_begins_one(tmp_path: Path, told: Told) -> None:
    sent, one, _ = _in_order(run(tmp_path, told, {}, {}, 3))
    assert ids(sent)[2] == ""
    assert ids(one)[2] == ids(sent)[1]


def test_a_trace_that_its_sender_does_not_record_is_not_told(tmp_path: Path, told: Told) -> None:
    with Engine(loaded(tmp_path, PIPELINE), observers=[told.observer]) as engine:
        request = urllib.request.Request(
            engine.url + "/work", b"{}", {"Content-Type": "application/json", "traceparent": SENT[:-1] + "0"}
        )
        urllib.request.urlopen(request, timeout=30).close()
        wait_until(lambda: len(SEEN) == 2)
    assert told.spans == []
    span = read(SEEN[1][2])
    assert span is not None
    assert (span.trace, span.flags) == (TRACE, "00"), "it goes on all the same"


@pytest.mark.parametrize("sent", [SENT, None])
def test_a_request_that_is_refused_is_a_span_of_the_servers(tmp_path: Path, told: Told, sent: str | None) -> None:
    headers = {"Content-Type": "application/json"} | ({"traceparent": sent} if sent else {})
    with Engine(loaded(tmp_path, PIPELINE), observers=[told.observer]) as engine:
        for path in ("/work", "/elsewhere"):
            request = urllib.request.Request(engine.url + path, b"no JSON", headers)
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=30)
    [span] = told.spans
    assert (span.name, span.kind, span.status.status_code) == ("POST /work", SpanKind.SERVER, StatusCode.UNSET)
    assert ids(span)[2] == (SPAN if sent else "")
    assert span.attributes is not None
    assert "the body is not JSON" in str(span.attributes["runner.reason"])
    assert {name: value for name, value in span.attributes.items() if name.startswith("http.")} == {
        "http.request.method": "POST",
        "http.route": "/work",
        "http.response.status_code": 400,
    }
    assert (span.end_time or 0) > (span.start_time or 0)
    assert told.metrics() == {"http.server.request.duration": 1}


def test_one_that_is_refused_through_no_fault_of_the_clients_is_an_error(told: Told) -> None:
    told.observer.refused("POST /work", 503, "the broker is away", 0.5, SENT)
    [span] = told.spans
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "the broker is away")
    assert span.attributes is not None
    assert span.attributes["error.type"] == "503"


def test_durations_are_recorded_of_every_message(tmp_path: Path, told: Told) -> None:
    run(tmp_path, told, "fail once", {}, 4)
    assert told.metrics() == {
        "http.server.request.duration": 1,
        "messaging.process.duration": 3,
        "messaging.client.consumed.messages": 3,
    }
