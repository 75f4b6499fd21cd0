"""Which observers always watch, and which may be added."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import pytest

from runner.events import Events, Observer
from runner.observability.observers import attach, counting, exporting
from tests.pipelines import loaded


class Watching(Observer):
    """Notes what is resumed."""

    def __init__(self) -> None:
        self.stages: list[str] = []

    def resumed(self, stage: str) -> None:
        self.stages.append(stage)


def test_the_log_watches_nothing_that_happens_to_every_message() -> None:
    often = [name for name, tell in vars(Events()).items() if tell is None]
    assert often
    assert [name for name in often if getattr(attach(), name) is not None] == []


def test_whoever_debugs_is_told_of_each_success(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "runner")
    events = attach()
    assert events.handled is not None
    assert events.accepted is not None
    assert events.taken is None


def test_others_watch_beside_the_log() -> None:
    watching = Watching()
    attach([watching]).resumed("mail")
    assert watching.stages == ["mail"]


def test_opentelemetry_is_told_nothing_unless_the_environment_names_an_exporter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    pipeline = loaded(tmp_path, "queues: {a: {}}\n").pipeline
    assert exporting(pipeline, "worker") is None
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "none")
    monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
    found = exporting(pipeline, "worker")
    assert found is not None
    found.close()
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert exporting(pipeline, "worker") is None
    assert caplog.text == ""


def test_without_the_extra_a_warning_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, "runner.observability.exporting", None)
    assert exporting(loaded(tmp_path, "queues: {a: {}}\n").pipeline, "worker") is None
    assert "pip install 'acklast[otel]'" in caplog.text


@pytest.mark.parametrize("exporter", ["trace_exporter", "metric_exporter"])
def test_with_a_part_of_the_extra_alone_the_process_works_without(
    exporter: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setitem(sys.modules, f"opentelemetry.exporter.otlp.proto.http.{exporter}", None)
    assert exporting(loaded(tmp_path, "queues: {a: {}}\n").pipeline, "worker") is None
    assert "pip install 'acklast[otel]'" in caplog.text


def test_a_variable_that_opentelemetry_refuses_keeps_nothing_from_working(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "-1")
    assert exporting(loaded(tmp_path, "queues: {a: {}}\n").pipeline, "worker") is None
    assert "nothing is told to OpenTelemetry: max_queue_size must be" in caplog.text


def test_only_a_file_that_lets_somebody_look_is_counted(tmp_path: Path) -> None:
    text = "queues: {a: {}}\n"
    assert counting(loaded(tmp_path, text).pipeline) is None
    assert counting(loaded(tmp_path, text + "console: {}\n").pipeline) is not None
    alerts = "alerts: {oldest: 1m, webhook: {url: 'https://example.com/'}}\n"
    assert counting(loaded(tmp_path, text + alerts).pipeline) is not None
