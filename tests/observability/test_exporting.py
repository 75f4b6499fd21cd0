"""What a run exports, as a collector of OpenTelemetry's protocol gets it."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.system.program import PIPELINE as PROGRAM
from tests.system.program import Program


class Collector(HTTPServer):
    """Takes what is exported by OTLP over HTTP."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: list[tuple[str, bytes]] = []

    def spans(self) -> list[Any]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.got if path == "/v1/traces"]
        return [
            span
            for one in requests
            for group in one.resource_spans
            for scope in group.scope_spans
            for span in scope.spans
        ]

    def metrics(self) -> set[str]:
        requests = [ExportMetricsServiceRequest.FromString(body) for path, body in self.got if path == "/v1/metrics"]
        return {
            metric.name
            for one in requests
            for group in one.resource_metrics
            for scope in group.scope_metrics
            for metric in scope.metrics
        }


class _Handler(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        self.server.got.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


def test_a_run_exports_what_the_environment_asks_for_and_the_last_of_it_at_its_end(tmp_path: Path) -> None:
    program = Program(tmp_path, "embedded:broker.db", PROGRAM)
    with Collector() as collector:
        threading.Thread(target=collector.serve_forever, args=(0.01,), daemon=True).start()
        program.start(
            env={
                "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.server_port}",
                "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
                "OTEL_BSP_SCHEDULE_DELAY": "3600000",
                "OTEL_METRIC_EXPORT_INTERVAL": "3600000",
            }
        )
        try:
            assert program.post({"n": 1}).status == 202
            program.wait_done([1])
        finally:
            assert program.stop() == 0
        assert {span.name for span in collector.spans()} == {"send first", "process first", "process second"}
        assert len({span.trace_id for span in collector.spans()}) == 1
        assert {"messaging.process.duration", "http.server.request.duration"} <= collector.metrics()
        collector.shutdown()


def test_a_collector_that_is_away_holds_up_nothing(tmp_path: Path) -> None:
    program = Program(tmp_path, "embedded:broker.db", PROGRAM)
    program.start(env={"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    try:
        assert program.post({"n": 1}).status == 202
        program.wait_done([1])
    finally:
        assert program.stop() == 0
