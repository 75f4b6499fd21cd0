"""What the broker's file has, compared with a topology."""

from __future__ import annotations

from pathlib import Path

from runner.brokers.embedded.survey import surveyed
from runner.brokers.survey import Difference, Differing, Unnamed
from runner.pipeline import Queue
from tests.brokers.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, WORK, to, topology


def test_before_the_first_start_everything_is_missing_and_nothing_is_made(tmp_path: Path) -> None:
    found = surveyed([f"embedded:{tmp_path / 'broker.db'}"], "test", topology())
    assert ("queue", WORK) in found.missing
    assert list(tmp_path.iterdir()) == []


def test_after_a_start_nothing_is_missing(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker()
    found = surveyed([place.address], "test", topology())
    assert (found.missing, found.differing, found.unnamed) == ((), (), ())


def test_a_length_that_differs_is_changed_by_the_next_start(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker().publish([to(NEXT)])
    changed = topology(Queue(NEXT, max_length=7))
    difference = Differing("queue", NEXT, (Difference("max_length", "none", "7"),), 1, blocks=False)
    assert surveyed([place.address], "test", changed).differing == (difference,)
    open_broker(changed)
    assert surveyed([place.address], "test", changed).differing == ()


def test_a_queue_that_is_no_longer_named_is_told_with_what_is_on_it(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker(topology(Queue("former"))).publish([to("former"), to("former")])
    assert surveyed([place.address], "test", topology()).unnamed == (
        Unnamed("former", 2, 0),
        Unnamed("former.dlq", 0, 0),
    )
