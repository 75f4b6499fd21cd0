"""A queue as a row of the broker's file."""

from __future__ import annotations

from runner.brokers.embedded.books import PLACES
from runner.brokers.embedded.queue import StoredQueue

FIRST = 3 << PLACES
EMPTY = (3, None, FIRST, FIRST, 0, 0, 0, None, 0)


def loaded(*row: int | None) -> StoredQueue:
    queue = StoredQueue("work")
    queue.load(*row)  # type: ignore[arg-type]
    return queue


def test_messages_get_the_places_behind_the_tail() -> None:
    queue = loaded(*EMPTY)
    assert [queue.add(10), queue.add(30), queue.add(20)] == [FIRST, FIRST + 1, FIRST + 2]
    assert (queue.ready, queue.largest, queue.changed) == (3, 30, True)


def test_a_queue_with_delayed_messages_is_next_due_when_the_first_of_them_is() -> None:
    queue = loaded(*EMPTY)
    for due in (70, 50, 60):
        queue.add_delayed(1, due)
    assert (queue.delayed, queue.next_due, queue.ready) == (3, 50, 0)


def test_what_is_in_hand_no_more_is_ready_and_may_be_taken_again() -> None:
    queue = loaded(3, None, FIRST + 5, FIRST + 5, 0, 5, 0, None, 9)
    queue.wait_again(3)
    assert (queue.ready, queue.held) == (3, 2)
    queue.taken_again(2)
    assert (queue.ready, queue.held) == (1, 4)


def test_a_queue_that_is_empty_forgets_how_large_its_messages_were() -> None:
    row = [FIRST + 5, FIRST + 5, 0, 1, 0, None, 9, 3]
    queue = loaded(3, None, FIRST + 5, FIRST + 5, 0, 1, 0, None, 9)
    assert list(queue.row()) == row
    queue.held = 0
    assert list(queue.row()) == [FIRST + 5, FIRST + 5, 0, 0, 0, None, 0, 3]
