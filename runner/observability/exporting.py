"""OpenTelemetry's own part of a process: its providers and exporters, as the environment configures them.

Left out: what they are told (see `opentelemetry`).
"""

from __future__ import annotations

import os
import threading

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import Decision

from runner.observability.opentelemetry import Given, Telemetry
from runner.traces import TRACING

FLUSH_TIMEOUT = 3.0
"""Seconds that the last spans may take to leave."""


class Exporting:
    """The providers of a process, as the environment configures them, until `close`."""

    def __init__(self, service: str, process: str, system: str) -> None:
        from opentelemetry.sdk.metrics import MeterProvider
        from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace.export import BatchSpanProcessor

        named = {} if "OTEL_SERVICE_NAME" in os.environ else {"service.name": service}
        resource = Resource.create({**named, "service.instance.id": f"{process}-{os.getpid()}"})
        given = Given()
        self._traces = TracerProvider(resource=resource, id_generator=given, shutdown_on_exit=False)
        readers = []
        if _wants("TRACES"):
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

            self._traces.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        if _wants("METRICS"):
            from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

            readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
        self._metrics = MeterProvider(readers, resource, shutdown_on_exit=False)
        self.observer = Telemetry(self._traces, self._metrics, given, system)
        TRACING.starts = self._samples if _wants("TRACES") else None

    def _samples(self, trace: str) -> bool:
        """Whether the sampler that the environment names takes a trace."""
        return self._traces.sampler.should_sample(None, int(trace, 16), "").decision is Decision.RECORD_AND_SAMPLE

    def close(self) -> None:
        """Send what is left, for a moment."""
        ending = threading.Thread(target=self._shut_down, name="otel-end", daemon=True)
        ending.start()
        ending.join(FLUSH_TIMEOUT)

    def _shut_down(self) -> None:
        self._traces.shutdown()
        self._metrics.shutdown()


def _wants(signal: str) -> bool:
    return os.environ.get(f"OTEL_{signal}_EXPORTER", "otlp") == "otlp"
