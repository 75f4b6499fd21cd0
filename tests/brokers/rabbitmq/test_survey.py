"""What is on RabbitMQ, compared with a topology; looking makes nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.management import VARIABLE
from runner.brokers.rabbitmq.survey import surveyed
from runner.brokers.survey import Difference, Differing, Unnamed
from runner.pipeline import Exchange, Queue
from runner.topology import PlannedBinding
from tests.brokers.plans import NEXT, WORK, bound, to, topology


@pytest.fixture(autouse=True)
def management(rabbit_node: RabbitNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, rabbit_node.management_url)


def test_on_an_empty_broker_everything_is_missing_and_nothing_is_made(
    vhost_url: str, rabbit_node: RabbitNode, vhost: str
) -> None:
    found = surveyed([vhost_url], "test", topology(exchanges=[Exchange("events", "topic")]))
    assert {("exchange", "events"), ("queue", WORK), ("queue", f"{WORK}.dlq")} <= set(found.missing)
    assert rabbit_node.api("GET", f"/queues/{vhost}") == []


def test_after_a_start_nothing_is_missing(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    rabbit()
    found = surveyed([vhost_url], "test", topology())
    assert (found.missing, found.differing, found.unnamed, found.unlisted) == ((), (), (), "")


def test_all_arguments_that_differ_are_told_and_stay_as_they_are(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    before = topology(Queue(NEXT, max_length=10))
    rabbit(before).publish([to(NEXT), to(NEXT)])
    changed = topology(Queue(NEXT, delivery_limit=50))
    differences = (Difference("x-max-length", "10", "none"), Difference("x-delivery-limit", "20", "50"))
    [found] = surveyed([vhost_url], "test", changed).differing
    assert (found.kind, found.name, found.messages, found.blocks) == ("queue", NEXT, 2, True)
    assert sorted(found.differences, key=lambda one: one.argument) == sorted(differences, key=lambda o: o.argument)
    assert surveyed([vhost_url], "test", before).differing == ()


def test_another_type_of_a_queue_and_of_an_exchange(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    rabbit(topology(exchanges=[Exchange("events", "topic")]))
    changed = topology(Queue(NEXT, type="classic"), exchanges=[Exchange("events", "direct")])
    exchange, queue = surveyed([vhost_url], "test", changed).differing
    assert exchange == Differing("exchange", "events", (Difference("type", "topic", "direct"),))
    [difference] = queue.differences
    assert (difference.argument, difference.here) == ("type", "classic")
    assert difference.there.startswith("quorum")


def test_dead_letters_of_an_earlier_version_keep_no_run_from_starting(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        connection.channel().queue_declare(f"{WORK}.dlq", durable=True, arguments={"x-queue-type": "quorum"})
    rabbit()
    [found] = surveyed([vhost_url], "test", topology()).differing
    assert (found.name, found.blocks) == (f"{WORK}.dlq", False)


def test_a_queue_that_is_no_longer_named_is_told_with_what_is_on_it(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    rabbit(topology(Queue("former"))).publish([to("former")])
    assert surveyed([vhost_url], "test", topology()).unnamed == (
        Unnamed("former", 1, 0),
        Unnamed("former.dlq", 0, 0),
    )


def test_bindings_that_are_missing_or_that_the_file_does_not_name(
    rabbit: Callable[..., RabbitBroker], vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = [Exchange("events", "topic")]
    before = topology(bound("paid", "events", "paid.#", "old.*"), exchanges=events)
    after = topology(bound("paid", "events", "paid.#", "new.*"), exchanges=events)
    everything = {("binding", "events/paid.# → paid"), ("binding", "events/new.* → paid")}
    assert everything < set(surveyed([vhost_url], "test", after).missing)
    rabbit(before)
    found = surveyed([vhost_url], "test", after)
    assert found.missing == (("binding", "events/new.* → paid"),)
    assert found.bindings == (PlannedBinding("events", "paid", "old.*"),)
    assert surveyed([vhost_url], "test", before).bindings == ()
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1")
    assert surveyed([vhost_url], "test", after).missing == ()
    other = topology(bound("other", "events", "paid.#"), exchanges=events)
    assert ("binding", "events/paid.# → other") in surveyed([vhost_url], "test", other).missing


def test_without_the_management_plugin_the_rest_is_told(
    rabbit: Callable[..., RabbitBroker], vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "http://127.0.0.1:1")
    rabbit(topology(Queue(NEXT, max_length=10)))
    found = surveyed([vhost_url], "test", topology())
    assert [one.name for one in found.differing] == [NEXT]
    assert "doesn't answer" in found.unlisted
