"""A survey: what of it keeps a pipeline from starting."""

from __future__ import annotations

from runner.brokers.survey import Difference, Differing, Survey

OTHER = (Difference("x-max-length", "1", "2"),)


def test_what_a_start_changes_by_itself_is_no_conflict() -> None:
    found = Survey(differing=(Differing("queue", "a", OTHER, blocks=False), Differing("queue", "b", OTHER)))
    assert found.conflicts("queue") == ["b"]
    assert found.conflicts("exchange") == []


def test_a_queue_that_lacks_a_part_of_its_messages_is_one_conflict() -> None:
    found = Survey(differing=(Differing("queue", "a", OTHER),), unfinished=(("a", 3), ("b", 0)))
    assert found.conflicts("queue") == ["a", "b"]
