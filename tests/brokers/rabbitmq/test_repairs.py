"""What is deleted from RabbitMQ while the program runs is put back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.errors import PublishError
from runner.message import Destination, Outgoing
from runner.observability.observers import attach
from runner.pipeline import Exchange
from tests.brokers.places import RabbitPlace
from tests.brokers.plans import NEXT, bound, ids, to, topology
from tests.waiting import wait_until


def published(broker: RabbitBroker, message: Outgoing) -> bool:
    try:
        broker.publish([message])
    except PublishError:
        return False
    return True


def test_a_queue_that_was_deleted_is_put_back_once_a_message_for_it_came_back(
    rabbit: Callable[..., RabbitBroker],
    place: RabbitPlace,
    rabbit_node: RabbitNode,
    vhost: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("runner.brokers.rabbitmq.repairs.REPAIR_DELAY", 0.05)
    broker = rabbit(events=attach())
    for name in ("first", "second"):  # it is mended as often as it is broken
        rabbit_node.api("DELETE", f"/queues/{vhost}/{NEXT}")
        with pytest.raises(PublishError, match=f"there is no queue '{NEXT}'"):
            broker.publish([to(NEXT)])
        wait_until(lambda name=name: published(broker, to(NEXT, id=name)))  # type: ignore[misc]
        assert ids(place.contents(NEXT)) == [name]
    assert "a queue or a binding is gone from the broker; declaring again" in caplog.text


def test_a_binding_that_was_deleted_is_put_back(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runner.brokers.rabbitmq.repairs.REPAIR_DELAY", 0.05)
    broker = rabbit(topology(bound("paid", "events", "k"), exchanges=[Exchange("events", "direct")]))
    rabbit_node.api("DELETE", f"/bindings/{vhost}/e/events/q/paid/k")
    message = Outgoing(Destination("events", "k"), "p1", b"{}")
    with pytest.raises(PublishError, match="no queue is bound to the exchange 'events' for the key 'k'"):
        broker.publish([message])
    wait_until(lambda: published(broker, message))


def test_who_only_looks_puts_nothing_back(vhost_url: str) -> None:
    broker = RabbitBroker([vhost_url], "looking")
    broker.start(topology(), timeout=30, declare=False)
    try:
        with pytest.raises(PublishError, match=f"there is no queue '{NEXT}'"):
            broker.publish([to(NEXT)])
        assert broker.depths([NEXT]) == {}
    finally:
        broker.close()
