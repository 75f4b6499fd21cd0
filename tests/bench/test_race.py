"""Contenders run in turn, and one that can't run doesn't stop the others."""

from __future__ import annotations

from bench.benchmark import Benchmark, Contender
from bench.failure import ContenderError, MissingError
from bench.ground import Ground
from bench.needs import Need
from bench.race import race
from bench.record import Record
from tests.bench.fakes import benchmark, contender, failing, watched


def run(given: Benchmark, *, repeat: int = 2, only: tuple[str, ...] = ()) -> tuple[Record, list[str]]:
    """The outcome, and what was said on the way."""
    said: list[str] = []
    with Ground() as ground:
        return race(given, ground, messages=100, repeat=repeat, only=only, say=said.append), said


def test_contenders_take_turns() -> None:
    runs: list[str] = []
    run(benchmark(*(watched(name, lambda name, _: runs.append(name)) for name in ("runner", "b", "c"))))
    assert runs == ["runner", "b", "c", "runner", "b", "c"]


def test_only_the_chosen_contenders_run() -> None:
    record, _ = run(benchmark(contender("runner", 1, 1), contender("b", 1, 1)), only=("b",))
    assert [entry.contender.name for entry in record.entries] == ["b"]


def test_a_slow_contender_gets_its_share_of_the_messages() -> None:
    record, _ = run(benchmark(contender("runner", 1, 1, share=0.05)))
    assert record.entries[0].messages == 5


def test_a_contender_that_fails_is_reported_and_not_tried_again() -> None:
    record, said = run(benchmark(failing("b", ContenderError("fell over")), contender("runner", 1, 2)))
    assert record.entries[0].failure == "fell over"
    assert record.entries[1].values("rate") == [1, 2]
    assert [line for line in said if "b: failed, fell over" in line] == ["fake 1/2  b: failed, fell over"]


def test_a_contender_that_is_not_installed_is_left_out_with_how_to_get_it() -> None:
    absent = Contender("b", failing("b", AssertionError()).measure, needs=(Need("thing", lambda: False, "get thing"),))
    record, said = run(benchmark(absent, contender("runner", 1, 1)))
    assert record.entries[0].missing
    assert "fake 1/2  b: left out, thing not installed; to get it: get thing" in said


def test_a_contender_may_find_out_late_that_something_is_missing() -> None:
    record, _ = run(benchmark(failing("b", MissingError("no such server"))))
    assert (record.entries[0].missing, record.entries[0].failure) == (True, "no such server")
