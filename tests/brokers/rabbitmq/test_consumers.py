"""Consumers that come and go: there is one of each, and it loses nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, WORK, Collector, ids, to
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


@pytest.fixture
def impatient(rabbit_node: RabbitNode) -> Iterator[None]:
    """RabbitMQ takes back what isn't acked after a second."""
    timeout = rabbit_node.eval("application:get_env(rabbit, consumer_timeout)")
    for name, value in (("consumer_timeout", "1000"), ("channel_tick_interval", "500")):
        rabbit_node.eval(f"application:set_env(rabbit, {name}, {value})")
    yield
    value = timeout.strip().removeprefix("{ok,").removesuffix("}") if "ok" in timeout else "1800000"
    rabbit_node.eval(f"application:set_env(rabbit, consumer_timeout, {value})")
    rabbit_node.eval("application:set_env(rabbit, channel_tick_interval, 60000)")


@pytest.mark.usefixtures("impatient")
def test_what_the_broker_takes_back_from_a_slow_consumer_is_counted_and_the_late_result_is_dropped(
    rabbit: Callable[..., RabbitBroker], place: RabbitPlace
) -> None:
    broker, collector = rabbit(), Collector()
    broker.publish([to(WORK, id="slow")])
    broker.consume(WORK, 10, collector)
    late, second = collector.wait(2)
    broker.settle(late, [to(NEXT, id="late")])
    broker.settle(second, [to(NEXT, id="second")])
    wait_until(lambda: ids(place.contents(NEXT)) == ["second"])
    assert (late.attempt, second.attempt) == (1, 2)
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)
