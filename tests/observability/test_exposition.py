"""The metrics, read as Prometheus reads them, by the parsers of its client."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from runner.brokers.base import Depth
from runner.observability.exposition import Queues, exposition
from runner.observability.snapshot import Now, Process, Snapshot, StageNow, StageTotals, Told, Totals
from runner.pipeline import Pipeline, Stage
from tests.observability.test_snapshot import taking

STAGE = StageTotals(9, 7, 1, 1, 2, taking(0.2, 3.0), taking(0.004), taking(70.0), {"smtp": taking(0.3)})
TOTALS = Totals(
    {"pay": STAGE, "old": StageTotals(handled=4)},
    {"POST /pay": {"202": 9, "422": 2}, "": {"404": 1}},
    {"POST /pay": 4},
    {"POST /pay": taking(0.01)},
    3,
    taking(0.002),
    1.25,
)
NOW = Now({"pay": StageNow(4, 2, 1, "no bank", 5.0, 6.0, {"open": 1})}, 2, 1, 17, 1)
SNAPSHOT = Snapshot(1.0, {"worker": Process(7, True, 2, 1.0, Told(TOTALS, NOW))}, Told(TOTALS, NOW))
QUEUES = Queues({"payments": Depth(5, 2, 1, 3, 1, 1, "", 1)}, {("payments", "ready"): 12.5, ("payments", "dead"): 9.0})
PIPELINE = Pipeline("shop", Path("pipeline.yaml"), stages={"pay": Stage("pay", "payments", "h:h")}, ledger="sqlite:x")

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


def families(accept: str = "", queues: Queues = QUEUES) -> Iterator[Metric]:
    body, content_type = exposition(PIPELINE, SNAPSHOT, queues, accept)
    parse = openmetrics if "openmetrics" in content_type else text
    yield from parse(body.decode())


def values(accept: str = "", queues: Queues = QUEUES) -> Mapping[str, float]:
    """`name{label=value,…}` → value."""
    found = {}
    for family in families(accept, queues):
        for sample in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


@pytest.mark.parametrize("accept", ["", OPENMETRICS])
def test_each_count_is_served_under_its_stage(accept: str) -> None:
    told = values(accept)
    assert told["runner_stage_received_total{stage=pay}"] == 9
    assert told["runner_stage_outcomes_total{outcome=retried,stage=pay}"] == 1
    assert told["runner_stage_outcomes_total{outcome=handled,stage=old}"] == 4, "a counter doesn't vanish"
    assert told["runner_stage_handler_seconds_bucket{le=0.25,stage=pay}"] == 1
    assert told["runner_stage_handler_seconds_bucket{le=+Inf,stage=pay}"] == 2
    assert told["runner_stage_handler_seconds_sum{stage=pay}"] == 3.2
    assert told["runner_stage_queue_seconds_count{stage=pay}"] == 1
    assert told["runner_stage_end_to_end_seconds_sum{stage=pay}"] == 70.0
    assert told["runner_stage_call_seconds_count{call=smtp,stage=pay}"] == 1
    assert told["runner_stage_breaker_processes{stage=pay,state=open}"] == 1
    assert told["runner_stage_breaker_processes{stage=pay,state=closed}"] == 0
    assert told["runner_stage_paused_processes{stage=pay}"] == 1
    assert told["runner_requests_total{route=POST /pay,status=422}"] == 2
    assert told["runner_requests_total{route=,status=404}"] == 1
    assert told["runner_requests_repeated_total{route=POST /pay}"] == 4
    assert told["runner_broker_unconfirmed_messages"] == 17
    assert told["runner_broker_processes{connected=no}"] == 1
    assert told["runner_ledger_transaction_seconds_count"] == 1
    assert told["runner_process_cpu_seconds_total{process=worker}"] == 1.25
    assert told["runner_queue_messages{queue=payments,state=dead}"] == 3
    assert told["runner_queue_consumers{queue=payments,state=other}"] == 1
    assert told["runner_queue_oldest_seconds{queue=payments,state=ready}"] == 12.5


def test_while_the_broker_does_not_answer_nothing_is_told_of_its_queues() -> None:
    told = values(queues=Queues())
    assert told["runner_broker_answers"] == 0
    assert not any(name.startswith("runner_queue_") for name in told)
    assert values()["runner_broker_answers"] == 1


def test_a_pipeline_without_a_ledger_has_no_metrics_of_one() -> None:
    body, _ = exposition(Pipeline("shop", Path("pipeline.yaml")), SNAPSHOT, QUEUES)
    assert b"ledger" not in body


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "text/plain; version=0.0.4; charset=utf-8"),
        ("text/html", "text/plain; version=0.0.4; charset=utf-8"),
        (OPENMETRICS + ";q=0.5,text/plain;version=0.0.4;q=0.3", "application/openmetrics-text; version=1.0.0"),
        ("application/openmetrics-text; version=one.two", "text/plain; version=0.0.4; charset=utf-8"),
    ],
)
def test_the_accept_header_chooses_the_format(accept: str, content_type: str) -> None:
    body, told = exposition(PIPELINE, SNAPSHOT, QUEUES, accept)
    assert told.startswith(content_type)
    assert body.endswith(b"# EOF\n") == ("openmetrics" in content_type)


def test_names_units_and_help_are_as_promtool_wants_them() -> None:
    """`promtool check metrics` wants a help text, base units at the end of a name, `_total` at counters
    only, no type in a name, and no name twice."""
    body = exposition(PIPELINE, SNAPSHOT, QUEUES)[0].decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", body, re.MULTILINE))
    helped = re.findall(r"^# HELP (\S+) \S", body, re.MULTILINE)
    assert sorted(helped) == sorted(types), "each has a help text, and each once"
    for name, kind in types.items():
        assert re.fullmatch(r"runner(_[a-z]+)+", name), name
        assert name.endswith("_total") == (kind == "counter"), name
        assert not re.search(r"_(count|sum|bucket|gauge|counter|histogram|ms|milliseconds|minutes|hours)\b", name), name
        if kind == "histogram":
            assert name.endswith("_seconds"), name
    samples = [line.rpartition(" ")[0] for line in body.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    labels = set(re.findall(r'[{,](\w+)="', body))
    assert labels == {
        "call",
        "connected",
        "le",
        "outcome",
        "pipeline",
        "process",
        "queue",
        "route",
        "stage",
        "state",
        "status",
    }


def test_a_name_with_any_character_is_a_label_that_can_be_read() -> None:
    pipeline = Pipeline('a "b"\\\n', Path("pipeline.yaml"))
    for accept in ("", OPENMETRICS):
        body, content_type = exposition(pipeline, SNAPSHOT, QUEUES, accept)
        parse = openmetrics if "openmetrics" in content_type else text
        [info] = [
            sample for family in parse(body.decode()) for sample in family.samples if sample.name == "runner_info"
        ]
        assert info.labels == {"pipeline": 'a "b"\\\n'}
