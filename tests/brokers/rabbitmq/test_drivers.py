"""The broker on an event loop that the caller runs, and on its own thread."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import BrokerAwayError
from runner.observability.observers import attach
from tests.brokers.plans import NEXT, Collector, to, topology
from tests.brokers.rabbitmq.conftest import OpenBoth
from tests.waiting import wait_until


@pytest.fixture
def on_loop(vhost_url: str, loop: asyncio.AbstractEventLoop) -> Iterator[RabbitBroker]:
    broker = RabbitBroker([vhost_url], "test", attach())
    broker.start(topology(), timeout=30, loop=loop)
    yield broker
    broker.close()


def test_on_a_loop_it_starts_no_thread_and_answers_there(
    on_loop: RabbitBroker, loop: asyncio.AbstractEventLoop
) -> None:
    told: list[tuple[str, object]] = []
    ended = threading.Event()

    def done(error: object) -> None:
        told.append((threading.current_thread().name, error))
        ended.set()

    loop.call_soon_threadsafe(on_loop.submit, [to(NEXT), to(NEXT)], done)
    assert ended.wait(10)
    assert told == [("loop", None)]
    assert not [thread for thread in threading.enumerate() if thread.name == "rabbitmq"]


def test_on_a_loop_it_connects_again(on_loop: RabbitBroker, rabbit_node: RabbitNode, vhost: str) -> None:
    wait_until(lambda: rabbit_node.close_connections(vhost))
    wait_until(lambda: not on_loop.available)
    wait_until(lambda: on_loop.available)
    on_loop.publish([to(NEXT)])


def test_on_a_loop_closing_hangs_up(on_loop: RabbitBroker, rabbit_node: RabbitNode, vhost: str) -> None:
    wait_until(lambda: len(rabbit_node.connections(vhost)) == 1)
    on_loop.close()
    wait_until(lambda: not rabbit_node.connections(vhost))
    with pytest.raises(BrokerAwayError):
        on_loop.publish([to(NEXT)])


@pytest.mark.parametrize("where", ["a thread", "a loop"])
def test_what_the_system_does_not_take_at_once_arrives_whole(
    where: str, vhost_url: str, request: pytest.FixtureRequest
) -> None:
    broker = RabbitBroker([vhost_url], "test")
    broker.start(topology(), timeout=30, loop=request.getfixturevalue("loop") if where == "a loop" else None)
    sent = {f"{n:032}": bytes([n]) * (1_500_000 if n % 2 else n + 1) for n in range(40)}
    broker.publish([to(NEXT, body, id=message_id) for message_id, body in sent.items()], timeout=60)
    collector = Collector()
    broker.consume(NEXT, 40, collector)
    wait_until(lambda: len(collector.deliveries) == len(sent))
    assert {delivery.id: delivery.payload for delivery in collector.deliveries} == sent
    broker.close()


@pytest.mark.parametrize("where", ["a thread", "a loop"])
def test_a_fault_of_ours_costs_the_connection_and_no_more(
    open_both: OpenBoth, where: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    loop = request.getfixturevalue("loop") if where == "a loop" else None
    broker, connection = open_both(events=attach(), loop=loop)

    def fail() -> None:
        raise ZeroDivisionError("made by a test")

    caplog.set_level(logging.INFO, "runner.broker")
    connection.call(fail)
    wait_until(lambda: "connected to" in caplog.text)
    assert "error on the broker connection" in caplog.text
    assert "made by a test" in caplog.text
    broker.publish([to(NEXT)])
    broker.close()
