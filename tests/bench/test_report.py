"""What follows from the figures: medians, ratios, a table, a file, a picture."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console

from bench import plot, results
from bench.benchmark import Benchmark, Contender, Metric
from bench.failure import ContenderError
from bench.goals import Goal
from bench.ground import Ground
from bench.race import race
from bench.record import Record
from bench.report import print_record
from tests.bench.fakes import benchmark, contender, failing

MACHINE = {"processor": "a <fast> one", "cores": 2, "python": "3.11"}


def outcome(given: Benchmark, repeat: int = 3) -> Record:
    with Ground() as ground:
        record = race(given, ground, messages=100, repeat=repeat, say=lambda _: None)
    record.machine = MACHINE
    return record


def table(record: Record) -> str:
    text = StringIO()
    print_record(Console(file=text, width=160), record)
    return text.getvalue()


def three(**options: object) -> Benchmark:
    peers = (contender("limit", 400, 410, 390), contender("runner", 100, 300, 200), contender("peer", 50, 50, 80))
    return replace(benchmark(*peers, limit="limit"), **options)  # type: ignore[arg-type]


def test_a_row_has_the_median_its_spread_and_the_ratios() -> None:
    rows = {line.split("  ")[0]: line.split() for line in table(outcome(three())).splitlines() if "(" in line}
    assert rows["runner"] == ["runner", "200", "(100–300)", "51%"]
    assert rows["peer"] == ["peer", "50", "(50–80)", "2.50", "×", "12%"]


def test_a_ratio_is_the_median_of_those_of_each_round() -> None:
    """A machine that is slow in one round is slow for both."""
    record = outcome(benchmark(contender("runner", 100, 10, 50), contender("peer", 50, 5, 25)))
    assert record.lead(record.entries[1]) == 2


def test_goals_are_reported_as_reached_or_not() -> None:
    goals = (
        Goal("runner", "rate", 3, "peer"),
        Goal("runner", "rate", 2, "peer"),
        Goal("runner", "rate", 150),
        Goal("runner", "rate", 9, "nobody"),
    )
    record = outcome(three(goals=goals))
    text = table(record)
    assert "✗ runner: things/s at least 3 × peer: 2.50, not reached" in text
    assert "✓ runner: things/s at least 2 × peer: 2.50\n" in text
    assert "✓ runner: things/s at least 150: 200.00" in text
    assert "nobody" not in text
    assert [goal["reached"] for goal in record.as_json()["goals"]] == [False, True, True]


def test_a_goal_may_be_a_most() -> None:
    goals = (Goal("runner", "rate", 1), Goal("runner", "rate", 3), Goal("runner", "rate", 4, "peer"))
    record = outcome(
        replace(benchmark(contender("runner", 2), contender("peer", 6), better_is_less=True), goals=goals), 1
    )
    assert [goal["reached"] for goal in record.as_json()["goals"]] == [False, True, False]
    assert "runner: things/s at most 3: 2.00" in table(record)


def test_less_may_be_better() -> None:
    record = outcome(benchmark(contender("runner", 2), contender("peer", 6), better_is_less=True), repeat=1)
    assert record.lead(record.entries[1]) == 3


def test_a_table_says_what_the_figures_leave_out_and_who_failed() -> None:
    record = outcome(
        benchmark(contender("runner", 1, 1, 1, note="as it comes"), failing("peer", ContenderError("fell over")))
    )
    text = table(record)
    assert "runner: as it comes (100 messages)" in text
    assert "peer: failed: fell over" in text
    assert "Not in these figures: everything." in text


def test_a_table_of_many_metrics_is_whole_on_a_narrow_page() -> None:
    metrics = tuple(Metric(f"m{number}", "requests/s") for number in range(6))
    found = dict.fromkeys((metric.name for metric in metrics), 12_345.0)
    many = replace(
        benchmark(Contender("with a name of some length, as they have", lambda _ground, _messages: found)),
        metrics=metrics,
    )
    text = StringIO()
    print_record(Console(file=text, width=120), outcome(many))
    assert text.getvalue().count("(12,345–12,345)") == 6


def test_the_file_keeps_every_run(tmp_path: Path) -> None:
    file = tmp_path / "results" / "day.json"
    results.write(file, outcome(three()))
    contenders = {one["name"]: one for one in json.loads(file.read_text())["fake"]["contenders"]}
    assert contenders["runner"]["rate"] == {"median": 200, "runs": [100, 300, 200]}
    assert contenders["peer"]["ours_is"] == 2.5


def test_a_benchmark_that_is_run_again_leaves_the_others_of_the_day(tmp_path: Path) -> None:
    file = tmp_path / "day.json"
    results.write(file, outcome(three()))
    results.write(file, outcome(three(name="other")))
    results.write(file, outcome(three(leaves_out="nothing")))
    found = results.read(file)
    assert (set(found), found["fake"]["leaves_out"]) == ({"fake", "other"}, "nothing")


def test_the_picture_shows_who_was_measured(tmp_path: Path) -> None:
    file = tmp_path / "day.svg"
    record = outcome(replace(three(), name="hops-rabbitmq"))
    record.entries.append(outcome(benchmark(failing("broken", ContenderError("x"))), repeat=1).entries[0])
    plot.write(file, {"hops-rabbitmq": record.as_json()})
    texts = ["".join(element.itertext()) for element in ElementTree.parse(file).getroot().iter()]
    assert {"limit", "runner", "peer", "200", "ours is 2.5 ×"} <= set(texts)
    assert "broken" not in texts
    assert any("a <fast> one, 2 cores" in text for text in texts)


def test_nothing_is_drawn_of_ours_alone(tmp_path: Path) -> None:
    file = tmp_path / "day.svg"
    alone = outcome(replace(benchmark(contender("runner", 1)), name="hops-rabbitmq"), repeat=1)
    plot.write(file, {"hops-rabbitmq": alone.as_json()})
    assert not file.exists()
