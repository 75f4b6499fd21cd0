"""`/metrics`, as a scrape gets it from a console that is served."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from runner.message import Destination, Outgoing
from tests.console.conftest import Shown
from tests.waiting import wait_until


def ready(shown: Shown) -> float:
    families = text_string_to_metric_families(shown.ask("/metrics").body)
    samples = [sample for family in families for sample in family.samples if sample.name == "runner_queue_messages"]
    return sum(sample.value for sample in samples if sample.labels == {"queue": "orders", "state": "ready"})


def test_it_tells_how_many_messages_are_on_each_queue(shown: Shown) -> None:
    shown.broker.publish([Outgoing(Destination("", "orders"), f"m{number}", b"{}") for number in range(3)])
    wait_until(lambda: ready(shown) == 3)
    answer = shown.ask("/metrics")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_it_speaks_openmetrics_to_those_who_ask_for_it(shown: Shown) -> None:
    answer = shown.ask("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert answer.headers["content-type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.body.endswith("# EOF\n")
