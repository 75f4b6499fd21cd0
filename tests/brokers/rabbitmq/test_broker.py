"""RabbitMQ as a broker: URLs that can't be read, and a broker that doesn't answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from queue import SimpleQueue

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.outstanding import MOST_OUTSTANDING
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import BrokerSetupError
from tests.brokers.plans import MORE, NEXT, WORK, Collector, to, turned_away
from tests.waiting import TIMEOUT, wait_until


def test_a_broker_of_a_url_that_cannot_be_read_is_not_made() -> None:
    with pytest.raises(BrokerSetupError, match="the broker's URL needs a host"):
        RabbitBroker(["amqp://a,,b"], "test")


def test_a_broker_that_does_not_answer_is_waited_for_once(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, collector = rabbit(), Collector()
    for queue in (WORK, MORE):
        broker.consume(queue, 10, collector)
    wait_until(lambda: broker.consuming(WORK) and broker.consuming(MORE))
    second = threading.Thread(target=broker.cancel, args=[MORE])
    with rabbit_node.frozen():
        monkeypatch.setattr("runner.brokers.rabbitmq.broker.CANCEL_TIMEOUT", 0.1)
        broker.cancel(WORK)
        monkeypatch.setattr("runner.brokers.rabbitmq.broker.CANCEL_TIMEOUT", 600)
        second.start()
        second.join(TIMEOUT)
        assert not second.is_alive()
    wait_until(lambda: not broker.consuming(MORE))


def test_what_waits_for_a_broker_that_is_silent_is_bounded_and_it_goes_on_by_itself(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode
) -> None:
    broker = rabbit()
    body, told = bytes(2**20), SimpleQueue[object]()
    with rabbit_node.frozen():
        taken, reason = turned_away(lambda: broker.submit([to(NEXT, body)], told.put))
    assert "MiB wait for the broker to confirm them" in reason
    assert len(taken) < MOST_OUTSTANDING / len(body)
    assert [told.get(timeout=TIMEOUT) for _ in taken] == [None] * len(taken)
    broker.publish([to(NEXT, body)])
