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


def test_a_worker_that_has_a_message_in_hand_from_before_it_paused_is_no_stranger(
    rabbit: Callable[..., RabbitBroker],
) -> None:
    broker, collector = rabbit(), Collector()
    broker.publish([to(WORK) for _ in range(3)])
    broker.consume(WORK, 2, collector)
    collector.wait(2)
    broker.cancel(WORK, pausing="the bank is closed")
    broker.settle(collector.next(), [])
    wait_until(lambda: (depths := broker.depths([WORK])[WORK]).in_hand == 1 and not depths.strangers)
    broker.consume(WORK, 2, collector)
    collector.wait(2)
    wait_until(lambda: broker.depths([WORK])[WORK] == Depth(in_hand=2, consumers=1))


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
