"""Depths by AMQP alone, beside consumers that aren't runners."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pika

from bench.rabbitmq_node import RabbitNode
from runner.brokers.base import Depth
from runner.brokers.rabbitmq.broker import RabbitBroker
from tests.brokers.plans import MORE, NEXT, WORK, Collector, to, topology
from tests.waiting import wait_until


def test_a_consumer_of_another_program_is_no_worker(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    broker = rabbit()
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        connection.channel().basic_consume(NEXT, lambda *_: None)
        wait_until(lambda: broker.depths([NEXT])[NEXT] == Depth(strangers=1))


def test_the_roll_is_called_over_all_processes(rabbit: Callable[..., RabbitBroker]) -> None:
    brokers = [rabbit(), rabbit()]
    brokers[0].publish([to(WORK) for _ in range(4)])
    collectors = [Collector(), Collector()]
    for broker, collector in zip(brokers, collectors, strict=True):
        broker.consume(WORK, 2, collector)
    for collector in collectors:
        collector.wait(2)
    # Who answers too late counts as a stranger: on a busy machine, ask again.
    wait_until(lambda: brokers[0].depths([WORK])[WORK] == Depth(in_hand=4, consumers=2))


def test_queues_that_are_not_there_are_left_out_whatever_stands_behind_them(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str, vhost_url: str
) -> None:
    rabbit().publish([to(NEXT)])
    rabbit_node.api("DELETE", f"/queues/{vhost}/{WORK}")
    rabbit_node.api("DELETE", f"/queues/{vhost}/{MORE}.dlq")
    looking = RabbitBroker([vhost_url], "looking")
    looking.start(topology(), timeout=30, declare=False)
    try:
        assert looking.depths([WORK, MORE, NEXT]) == {MORE: Depth(), NEXT: Depth(ready=1)}
    finally:
        looking.close()
