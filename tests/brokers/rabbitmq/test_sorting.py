"""Which deliveries may be handled, and where the others go first; the deaths themselves are in the contract."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from pika.spec import BasicProperties

from runner.brokers.base import Consumer
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.reading import DELIVERY_COUNT
from runner.brokers.rabbitmq.sorting import Sorter
from runner.errors import PublishError
from runner.message import ATTEMPT, NO_HEADERS, WAIT, Delivery, Outgoing, Session
from runner.pipeline import QueueType
from runner.topology import PlannedQueue


class Knowing(Consumer):
    """Knows whether a message that comes back was begun."""

    def __init__(self, *, innocent: bool) -> None:
        self._innocent = innocent

    def deliver(self, deliveries: Sequence[Delivery]) -> None: ...

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None: ...

    def is_innocent(self, id: str, attempt: int) -> bool:
        return self._innocent


def sent_to(
    headers: dict[str, Any],
    *,
    redelivered: bool = False,
    innocent: bool = False,
    type: QueueType = "quorum",
    waits: bool = True,
) -> tuple[str, float, int] | None:
    """Where the second attempt of a message has to go first: the queue, the wait, and the attempt then."""
    planned = PlannedQueue("work", "work", "work", type=type, delivery_limit=20)
    delivery = Delivery("work", "id-1", b"{}", NO_HEADERS, 2, Session(), 1)
    delivered = Delivered(1, redelivered, "id-1", BasicProperties(headers=headers), b"{}")
    found: Outgoing | None = Sorter(planned, waits=waits).elsewhere(delivery, delivered, Knowing(innocent=innocent))
    return None if found is None else (found.destination.key, found.delay, delivery.attempt)


def test_what_never_came_back_and_has_not_to_wait_is_handled() -> None:
    assert sent_to({ATTEMPT: 1}) is None


@pytest.mark.parametrize("returns", [1, 9])
def test_what_came_back_goes_to_the_quarantine_with_one_attempt_more(returns: int) -> None:
    assert sent_to({DELIVERY_COUNT: returns}, redelivered=True) == ("work.quarantine", 0.0, 3)


def test_what_is_known_to_be_innocent_is_handled_until_the_brokers_own_limit_is_near() -> None:
    assert sent_to({DELIVERY_COUNT: 9}, redelivered=True, innocent=True) is None
    assert sent_to({DELIVERY_COUNT: 10}, redelivered=True, innocent=True) == ("work.quarantine", 0.0, 3)


def test_a_classic_queue_knows_only_that_it_came_back() -> None:
    assert sent_to({}, redelivered=True, type="classic") == ("work.quarantine", 0.0, 3)
    assert sent_to({DELIVERY_COUNT: 3}, type="classic") is None


def test_a_retry_that_is_not_due_goes_back_to_wait_where_there_is_a_queue_for_it() -> None:
    assert sent_to({WAIT: 1500}) == ("work", 1.5, 2)
    assert sent_to({WAIT: 1500}, waits=False) is None
