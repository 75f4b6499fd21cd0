"""What the broker's thread does beside its turns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from runner.brokers.embedded.housekeeping import Housekeeping
from runner.brokers.embedded.store import Store
from tests.brokers.embedded.conftest import put, transaction
from tests.brokers.plans import WORK

LARGE = b"x" * 100_000


def emptied(store: Store) -> int:
    """Fill the file, settle all of it, and return how large the file is."""
    places = put(store, WORK, *[LARGE] * 50)
    with transaction(store):
        store.messages.take(store.queues[WORK], 50, suspect=False)
        store.messages.remove(store.queues[WORK], places)
    store.empty_log()
    return store._path.stat().st_size


def test_free_pages_go_back_to_the_file_system_a_few_while_there_is_work(
    open_store: Callable[[], Store], path: Path
) -> None:
    store, housekeeping = open_store(), Housekeeping()
    before = emptied(store)
    housekeeping.do(store, busy=True, interrupted=lambda: False)
    some = path.stat().st_size
    housekeeping.do(store, busy=False, interrupted=lambda: True)
    assert path.stat().st_size == some
    housekeeping.do(store, busy=False, interrupted=lambda: False)
    assert len(LARGE) > path.stat().st_size < some < before


def test_a_clock_that_was_set_back_is_noticed_once(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, housekeeping, corrected = open_store(), Housekeeping(), list[bool]()
    monkeypatch.setattr(store, "set_right", lambda: corrected.append(True))
    for ahead in (0.0, -0.5, -3600.5, -3600.5):
        monkeypatch.setattr("runner.brokers.embedded.housekeeping._clock", lambda ahead=ahead: 1e9 + ahead)
        housekeeping._clock = 1e9 if ahead == 0.0 else housekeeping._clock
        housekeeping.do(store, busy=True, interrupted=lambda: False)
    assert corrected == [True]
