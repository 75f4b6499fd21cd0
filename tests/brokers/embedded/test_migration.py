"""The broker's file changes a queue in its place."""

from __future__ import annotations

from runner.brokers.embedded.migration import migrated
from tests.brokers.conftest import Opener
from tests.brokers.places import EmbeddedPlace
from tests.brokers.plans import NEXT, ids, to, topology


def test_no_queue_is_made_anew(open_broker: Opener, place: EmbeddedPlace) -> None:
    open_broker().publish([to(NEXT, id="m")])
    assert migrated([place.address], "test", topology(), lambda: True) == {}
    assert ids(place.contents(NEXT)) == ["m"]
