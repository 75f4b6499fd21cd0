"""The broker's file, for one owner: its transactions, and its queues."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.brokers.embedded.store import DeclaredDeadError, ReplacedError, Store
from tests.brokers.embedded.conftest import put, transaction
from tests.brokers.plans import NEXT, WORK, topology


def store_twice(store: Store) -> None:
    with transaction(store):
        place = store.queues[WORK].add(1)
        for _ in range(2):
            store.messages.insert([(place, "m", None, b"b")])


def test_a_transaction_that_fails_leaves_nothing(open_store: Callable[[], Store]) -> None:
    store = open_store()
    put(store, WORK, b"a")
    with pytest.raises(sqlite3.IntegrityError):
        store_twice(store)
    with transaction(store):
        assert store.queues[WORK].ready == 1
    assert [row[-1] for row in store.view.page(WORK, 0, 10, 1_000)] == [b"a"]


def test_what_is_declared_again_keeps_its_messages(open_store: Callable[[], Store]) -> None:
    store = open_store()
    put(store, WORK, b"a")
    with transaction(store):
        store.declare(topology())
        assert store.queues[WORK].ready == 1


def test_what_another_queue_takes_over_stands_behind_its_own_in_order(open_store: Callable[[], Store]) -> None:
    store = open_store()
    put(store, NEXT, b"own")
    put(store, WORK, b"a", b"b")
    with transaction(store):
        assert store.take_over(store.queues[NEXT], store.queues[WORK]) == 2
    store.set_right()
    assert [row[-1] for row in store.view.page(NEXT, 0, 10, 1_000)] == [b"own", b"a", b"b"]
    assert WORK not in store.view.depths()


def test_a_file_that_was_replaced_is_written_no_more(open_store: Callable[[], Store], path: Path) -> None:
    store = open_store()
    path.rename(path.with_name("elsewhere"))
    path.touch()
    with pytest.raises(ReplacedError, match="was removed or replaced"):
        store.begin(durable=True)
    store.rollback()


def test_who_was_taken_for_dead_learns_it(open_store: Callable[[], Store]) -> None:
    one, other = open_store(), open_store()
    with transaction(other):
        other.owners.leave()
    with pytest.raises(DeclaredDeadError, match="took this one for dead"):
        other.begin(durable=True)
    other.rollback()
    assert one.view.consumer_counts() == {}
