"""A survey: what of it keeps a pipeline from starting."""

from __future__ import annotations

from runner.brokers.survey import Difference, Differing, Renamed, Survey, renamed
from runner.pipeline import Queue
from tests.brokers.plans import alone

OTHER = (Difference("x-max-length", "1", "2"),)


def test_what_a_start_changes_by_itself_is_no_conflict() -> None:
    found = Survey(differing=(Differing("queue", "a", OTHER, blocks=False), Differing("queue", "b", OTHER)))
    assert found.conflicts("queue") == ["b"]
    assert found.conflicts("exchange") == []


def test_a_queue_that_lacks_a_part_of_its_messages_is_one_conflict() -> None:
    found = Survey(differing=(Differing("queue", "a", OTHER),), unfinished=(("a", 3), ("b", 0)))
    assert found.conflicts("queue") == ["a", "b"]


def test_a_former_queue_is_counted_with_its_companions() -> None:
    there = {"old": (3, 1), "old.dlq": (2, 0), "other": (9, 9)}
    topology = alone(Queue("now", was="old"))
    found = renamed(topology, there.get)
    assert found == (Renamed("now", "old", 5, 1),)
    assert Survey(renamed=found).conflicts("queue") == ["old"]
    assert renamed(topology, {"old.dlq": (2, 0)}.get) == (Renamed("now", "old", 2, 0),)
    assert renamed(topology, {"now": (2, 0)}.get) == ()
