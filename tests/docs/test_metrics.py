"""docs/metrics.md, the dashboard and the alert rules name what a running pipeline really serves."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from bench.ports import free_port
from tests.docs.pages import ROOT
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until

PAGE = (ROOT / "docs/metrics.md").read_text(encoding="utf-8")
DASHBOARD = json.loads((ROOT / "docs/grafana-dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((ROOT / "docs/alert-rules.yml").read_text(encoding="utf-8"))
PROMETHEUS_OWN = {"job", "instance", "le"}
"""Labels that a scrape adds, and that of every histogram."""
SERIES = ("", "_total", "_bucket", "_count", "_sum")

Served = dict[str, list[dict[str, str]]]
"""By the name of a sample: the labels of each that is served."""

HANDLER = """
from runner import timed

def work(message):
    with timed("smtp"):
        return message.body
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """What a pipeline serves that has a bit of everything, after a message."""
    folder, port = tmp_path_factory.mktemp("metrics"), free_port()
    (folder / "timing.py").write_text(HANDLER)
    text = PIPELINE.replace("concurrency: 2", "concurrency: 2\n    breaker: {failures: 3}")
    text = text.replace(
        "handler: tests.system.handlers:Step\n    settings: {stage: two, folder: .}", "handler: timing:work"
    )
    text += f"console: {{listen: 127.0.0.1:{port}}}\nledger: sqlite:ledger.db\n"
    program = Program(
        folder, "embedded:broker.db", text.replace("publish: first}", "publish: first, status: '/jobs/{id}'}")
    )
    program.start()
    try:
        assert program.post({"n": 1}).status == 202
        scrapes: list[Served] = []

        def is_whole() -> bool:
            scrapes.append(_scraped(port))
            of_each_process = {"runner_stage_call_seconds_count", "runner_requests_total", "runner_queue_messages"}
            return of_each_process <= scrapes[-1].keys()

        wait_until(is_whole)
        yield scrapes[-1]
    finally:
        program.stop()


def _scraped(port: int) -> Served:
    found: Served = {}
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        for family in text_string_to_metric_families(answer.read().decode()):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(dict(sample.labels))
    return found


def described() -> dict[str, set[str]]:
    """Each metric of the page, with its labels."""
    rows = re.findall(r"^\| `(runner_\w+)` \| ([\w, ]*)\|", PAGE, re.MULTILINE)
    return {name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels in rows}


def test_the_page_describes_every_metric_with_its_labels_and_no_others(served: Served) -> None:
    families: dict[str, set[str]] = {}
    for name, samples in served.items():
        family = re.sub(r"_(bucket|count|sum)$", "", name) if f"{name.rpartition('_')[0]}_bucket" in served else name
        families[family] = {label for labels in samples for label in labels} - {"le"}
    assert families == described()


def test_each_state_and_outcome_that_is_served_is_named_on_the_page(served: Served) -> None:
    values = {
        value
        for samples in served.values()
        for labels in samples
        for label, value in labels.items()
        if label in ("state", "outcome", "connected", "call")
    }
    assert {value for value in values if f"`{value}`" not in PAGE} == set()


def expressions() -> dict[str, str]:
    """All that the dashboard and the rules ask for, by their titles."""
    panels: list[dict[str, Any]] = DASHBOARD["panels"]
    asked = {
        f"panel {panel['title']}: {target['refId']}": target["expr"]
        for panel in panels
        for target in panel.get("targets", ())
    }
    return asked | {f"alert {rule['alert']}": rule["expr"] for group in RULES["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("title", expressions())
def test_every_metric_and_label_that_is_asked_for_is_served(served: Served, title: str) -> None:
    expression = expressions()[title]
    names = re.findall(r"\brunner_\w+", expression)
    assert names, "it asks for something"
    assert [name for name in names if name not in served] == []
    for name, selector in re.findall(r"\b(runner_\w+)\{([^}]*)\}", expression):
        for label, values in re.findall(r'(\w+)=~?"([^"]*)"', selector):
            there = {labels[label] for labels in served[name] if label in labels}
            wanted = set() if label == "job" else set(values.split("|"))
            assert label in PROMETHEUS_OWN or there, f"{name} has no label {label}"
            assert label == "status" or wanted <= there, f"{name} has {label}={there}, not {wanted}"
    grouped = {
        label.strip() for group in re.findall(r"\b(?:by|on) \(([^)]*)\)", expression) for label in group.split(",")
    }
    labels = {label for name in names for one in served[name] for label in one}
    assert grouped <= labels | PROMETHEUS_OWN


def test_what_an_alert_says_names_labels_that_it_has() -> None:
    for group in RULES["groups"]:
        for rule in group["rules"]:
            told = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
            kept = {label for by in re.findall(r"\bby \(([^)]*)\)", rule["expr"]) for label in by.split(", ")}
            assert told <= kept or "by (" not in rule["expr"], rule["alert"]
            assert rule["labels"]["severity"] in ("warning", "critical")


def test_each_panel_has_a_title_and_a_place_of_its_own() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    places = [
        (x, y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(places)) == len(places), "no two overlap"
    assert all(panel["title"] for panel in panels)


def test_the_page_says_how_many_messages_a_second_are_in_the_sample() -> None:
    from runner.stamps import EVERY

    assert round(1 / EVERY) == 20
    assert "at most twenty messages a second" in PAGE
