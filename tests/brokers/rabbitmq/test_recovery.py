"""What disappears from the broker while the connection stays, and how it comes back."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from bench.ports import free_port
from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import BrokerUnavailableError
from runner.events import Events
from runner.message import Destination as At
from runner.message import Outgoing
from runner.observability.observers import attach
from runner.pipeline import Exchange
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, WORK, Collector, ids, to, topology
from tests.waiting import wait_until
from tests.watching import Journal


def test_a_publishing_channel_that_is_long_in_coming_back_is_waited_for(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    rabbit_node: RabbitNode,
    vhost: str,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.CRITICAL)
    monkeypatch.setattr("runner.brokers.rabbitmq.repairs.REPAIR_DELAY", 0.05)
    broker, collector = rabbit(topology(exchanges=[Exchange("events", "direct")])), Collector()
    broker.publish([to(WORK, id="p1")])
    broker.consume(WORK, 10, collector)
    delivery = collector.next()
    rabbit_node.api("DELETE", f"/exchanges/{vhost}/events")
    broker.submit([Outgoing(At("events", "k"), "no exchange", b"{}")], lambda _error: None)
    wait_until(lambda: not broker.available)
    with rabbit_node.frozen():
        broker.settle(delivery, [to(NEXT, id="p1")])
        broker.cancel(NEXT)  # nothing consumes it: returns once the connection's thread has dealt with the settlement
        assert collector.failures == []
    wait_until(lambda: ids(place.contents(NEXT)) == ["p1"])
    wait_until(lambda: broker.depths([WORK])[WORK].in_hand == 0)


def test_a_connection_is_seen_to_be_lost_and_to_be_back(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str
) -> None:
    journal = Journal()
    broker = rabbit(events=Events([journal]))
    wait_until(lambda: rabbit_node.close_connections(vhost))
    wait_until(lambda: len(journal.only("connected")) == 2)
    broker.close()
    assert [(seen.event, seen.more[-1]) for seen in journal.seen] == [
        ("connected", False),
        ("disconnected", True),
        ("connected", True),
    ]
    [lost] = journal.only("disconnected")
    assert lost.more[0].startswith(f"{lost.at}: ")


def test_a_broker_that_takes_no_messages_is_seen_to_be_blocked(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode
) -> None:
    journal = Journal()
    broker = rabbit(events=Events([journal]))
    rabbit_node.block()
    try:
        broker.submit([to(NEXT)], lambda _error: None)  # it is who publishes that gets blocked
        wait_until(lambda: journal.only("blocked"))
    finally:
        rabbit_node.unblock()
    wait_until(lambda: journal.only("unblocked"))
    [blocked] = journal.only("blocked")
    assert blocked.more == ("low on memory",)


def test_a_broker_that_is_not_there_is_waited_for_and_said_so_once(caplog: pytest.LogCaptureFixture) -> None:
    port = free_port()
    broker = RabbitBroker([f"amqp://127.0.0.1:{port}"], "test", attach())
    with pytest.raises(BrokerUnavailableError):
        broker.start(topology(), timeout=3)
    [line] = [message for message in caplog.messages if message.startswith("waiting for the broker: ")]
    assert f"127.0.0.1:{port}" in line


def test_a_broker_that_refuses_later_is_a_case_for_a_person(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str, caplog: pytest.LogCaptureFixture
) -> None:
    journal = Journal()
    rabbit(events=attach([journal]))
    rabbit_node.api("DELETE", f"/permissions/{vhost}/guest")
    wait_until(lambda: rabbit_node.close_connections(vhost))
    wait_until(lambda: len(journal.only("disconnected")) == 2)
    lost, refused = journal.only("disconnected")
    assert (lost.more[-1], refused.more[-1]) == (True, False)
    assert f"the broker is not available: {refused.more[0]}" in caplog.messages
    assert "it refuses access to the virtual host" in refused.more[0]
    assert not journal.only("waiting"), "one line is enough"
