"""What pika would do of itself, and the channel prevents."""

from __future__ import annotations

import threading
from collections.abc import Callable

from runner.brokers.rabbitmq.broker import RabbitBroker
from tests.brokers.plans import WORK, Collector, to
from tests.brokers.rabbitmq.conftest import OpenBoth
from tests.waiting import TIMEOUT, wait_until


def test_large_messages_that_come_while_their_consumer_ends_are_given_back_uncounted(
    rabbit: Callable[..., RabbitBroker], open_both: OpenBoth
) -> None:
    """pika 1.4 rejects them, which on a quorum queue counts as an attempt."""
    (broker, connection), collector = open_both(), Collector()
    broker.consume(WORK, 10, collector)
    wait_until(lambda: broker.consuming(WORK))
    go_on = threading.Event()
    connection.call(go_on.wait, TIMEOUT)
    calls = connection.calls
    rabbit().publish([to(WORK, b"x" * 300_000, id=str(number)) for number in range(5)])
    ending = threading.Thread(target=broker.cancel, args=[WORK])
    ending.start()  # behind the wait: the cancel leaves before any of them is read
    wait_until(lambda: connection.calls > calls)
    go_on.set()
    ending.join(TIMEOUT)
    broker.release(collector.wait(5))
    later = Collector()
    rabbit().consume(WORK, 10, later)
    assert {(delivery.id, delivery.attempt, delivery.deaths) for delivery in later.wait(5)} == {
        (str(number), 1, 0) for number in range(5)
    }
