"""What is in the broker's file, for whoever only looks."""

from __future__ import annotations

from collections.abc import Callable

from runner.brokers.embedded.store import Store
from tests.brokers.embedded.conftest import put, transaction
from tests.brokers.plans import NEXT, WORK


def test_a_page_begins_behind_the_place_where_the_last_one_ended(open_store: Callable[[], Store]) -> None:
    store = open_store()
    places = put(store, WORK, *(b"%d" % number for number in range(5)))
    put(store, NEXT, b"another queue's")
    first = store.view.page(WORK, 0, 3, 1_000)
    assert [row[-1] for row in first] == [b"0", b"1", b"2"]
    assert [row[0] for row in store.view.page(WORK, first[-1][0], 3, 1_000)] == places[3:]


def test_a_page_ends_with_the_message_that_fills_it(open_store: Callable[[], Store]) -> None:
    store = open_store()
    put(store, WORK, b"x" * 600, b"x" * 600, b"x" * 600)
    assert len(store.view.page(WORK, 0, 3, 1_000)) == 2


def test_what_is_ready_in_hand_and_delayed_is_counted(open_store: Callable[[], Store]) -> None:
    store = open_store()
    put(store, WORK, b"a", b"b", b"c")
    with transaction(store):
        queue = store.queues[WORK]
        store.messages.take(queue, 1, suspect=False)
        queue.add_delayed(1, 10**15)
        store.messages.delay([(queue.number, 10**15, 1, "m", None, b"d")])
    assert store.view.depths()[WORK] == (2, 1, 1)


def test_the_end_of_a_queue_is_where_its_next_message_goes(open_store: Callable[[], Store]) -> None:
    store = open_store()
    [place] = put(store, WORK, b"a")
    assert store.view.end(WORK) == place + 1
    assert store.view.end("unknown") == 0
