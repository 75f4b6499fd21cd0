"""`runner plan`: what it says of each thing that differs, and its exit status."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from runner.brokers.survey import Difference, Differing, Renamed, Survey, Unnamed
from runner.commands.plan import lines, status, verdict
from runner.processes.runs import RunFile
from runner.topology import PlannedBinding
from tests.commands.prompt import run


def test_before_the_first_start_everything_is_to_be_made(file: Path) -> None:
    result = run("plan", file)
    assert result.exit_code == 3
    assert result.stdout.splitlines()[:2] == ["+ queue payments.dlq: to be made", "+ queue payments: to be made"]
    assert result.stdout.splitlines()[-1] == "'runner apply' or the next start makes these changes"
    assert not (file.parent / "broker.db").exists()


def test_afterwards_nothing_is_to_be_done(file: Path) -> None:
    assert run("apply", file).exit_code == 0
    result = run("plan", file)
    assert (result.exit_code, result.stdout) == (0, "the broker has what the file needs\n")


def test_a_changed_length_and_a_queue_that_is_no_longer_named(file: Path) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    file.write_text(file.read_text().replace("payments", "orders").replace("free: {}", "free: {max_length: 5}"))
    result = run("plan", file)
    assert result.exit_code == 3
    assert "+ queue orders: to be made" in result.stdout
    assert "~ queue free has other arguments, which a start doesn't mind (0 messages on it)" in result.stdout
    assert "max_length: none on the broker, 5 in the file (a publish beyond it is refused)" in result.stdout
    assert "? queue payments is not in the file: 2 messages\n" in result.stdout


def test_as_json(file: Path) -> None:
    result = run("plan", "--format", "json", file)
    assert result.exit_code == 3
    assert ["queue", "payments"] in json.loads(result.stdout)["missing"]


def test_what_only_a_migration_mends_is_a_conflict() -> None:
    other = Difference("x-max-length", "none", "10")
    found = Survey(
        differing=(Differing("queue", "a", (other,), 1_000),),
        unfinished=(("b", 2),),
        renamed=(Renamed("new", "old", 12, 0),),
        unnamed=(Unnamed("c", 1, 2),),
        bindings=(PlannedBinding("events", "a", "paid.#"), PlannedBinding("all", "b", "")),
        unlisted="why",
    )
    assert status(found) == 1
    assert list(lines(found)) == [
        "! queue a has other arguments (1,000 messages on it)",
        "    x-max-length: none on the broker, 10 in the file (max_length: a publish beyond it is refused)",
        "! queue b was being made anew, and 2 messages of it wait for that",
        "> queue new was old: 12 messages to move",
        "? queue c is not in the file: 1 message, 2 consumers",
        "? binding events/paid.# → a is not in the file: what is published there still comes to that queue",
        "? binding all → b is not in the file: what is published there still comes to that queue",
        "? bindings, and queues that the file doesn't name, can't be listed: why",
    ]
    free = "conflict: 'runner apply --migrate' ends it; nothing may publish to a, b, old or take from it meanwhile"
    used = "conflict: stop the pipeline and whatever else uses a, b, old; then 'runner apply --migrate'"
    assert verdict(found) == free
    assert verdict(found, runs=True) == used
    assert verdict(replace(found, renamed=(Renamed("new", "old", 12, 1),))) == used
    assert verdict(replace(found, differing=(Differing("queue", "a", (other,), 1_000, 1),))) == used


def test_whether_the_pipeline_has_to_be_stopped_first(file: Path) -> None:
    run("apply", file)
    file.write_text(file.read_text().replace("free", "other").replace("other: {}", "other: {was: free}"))
    assert "'runner apply --migrate' ends it" in run("plan", file).stdout
    assert "'runner apply --migrate' ends it" in run("apply", file).stderr
    with closing(RunFile(file)):
        assert "stop the pipeline" in run("plan", file).stdout
        assert "stop the pipeline" in run("apply", file).stderr


def test_another_type_of_an_exchange_is_for_a_person() -> None:
    found = Survey(differing=(Differing("exchange", "events", (Difference("type", "topic", "direct"),)),))
    assert status(found) == 1
    assert list(lines(found)) == [
        "! exchange events has other arguments",
        "    type: topic on the broker, direct in the file (it says which keys a binding takes)",
    ]
    assert verdict(found) == (
        "conflict: give events another name in the file; or stop all that publishes to it, delete it on the broker, "
        "which removes other programs' bindings too, and start again"
    )


def test_what_cannot_be_listed_may_lack_something() -> None:
    assert verdict(Survey(unlisted="why")) == "as far as can be seen, the broker has what the file needs"
