"""Consumers that come and go: there is one of each, and it loses nothing."""

from __future__ import annotations

from collections.abc import Callable

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from tests.brokers.plans import WORK, Collector, ids, to
from tests.brokers.rabbitmq.foreign import consumers_of
from tests.waiting import wait_until


def test_a_queue_that_is_deleted_while_its_consumer_is_renewed_has_one_consumer_and_loses_nothing(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str, vhost_url: str
) -> None:
    broker, collector = rabbit(), Collector()
    broker.consume(WORK, 10, collector)
    wait_until(lambda: broker.consuming(WORK))
    for _ in range(3):
        rabbit_node.api("DELETE", f"/queues/{vhost}/{WORK}")
        for _ in range(3):  # as pacing does, or the end of a pause
            broker.cancel(WORK)
            broker.consume(WORK, 10, collector)
        wait_until(lambda: broker.consuming(WORK))
    assert consumers_of(vhost_url, WORK) == 1
    broker.publish([to(WORK, id=str(number)) for number in range(10)])
    taken = [collector.next() for _ in range(10)]
    for delivery in taken[:5]:
        broker.settle(delivery, [])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 5)
    rabbit_node.close_connections(vhost)
    again = []
    for _ in range(5):
        again.append(collector.next())
        broker.settle(again[-1], [])
    assert sorted(ids(again)) == sorted(ids(taken[5:])), "the settled ones are gone, the others come again"


def test_a_consumer_that_is_renewed_before_the_broker_has_confirmed_it_is_there_once(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    broker, collector = rabbit(), Collector()
    for _ in range(20):
        broker.consume(WORK, 5, collector)
        broker.cancel(WORK)
    broker.consume(WORK, 5, collector)
    wait_until(lambda: broker.consuming(WORK))
    assert consumers_of(vhost_url, WORK) == 1
    broker.publish([to(WORK)])
    broker.settle(collector.next(), [])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
