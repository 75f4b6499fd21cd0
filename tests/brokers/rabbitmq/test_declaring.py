"""Declaring: what exists on RabbitMQ afterwards, and what its refusal means."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.declaring import explain_refusal
from runner.errors import BrokerSetupError
from runner.pipeline import Exchange, Queue, QueueType
from tests.brokers.plans import NEXT, WORK, bound, to, topology
from tests.waiting import wait_until


def test_everything_is_durable_and_belongs_to_no_connection(
    rabbit: Callable[..., RabbitBroker], rabbit_node: RabbitNode, vhost: str
) -> None:
    rabbit(topology(bound("paid", "events", "k"), exchanges=[Exchange("events", "direct")]))
    queues = {queue["name"]: queue for queue in rabbit_node.api("GET", f"/queues/{vhost}")}
    assert {"work", "work.dlq", "work.quarantine", "paid", "paid.dlq"} <= set(queues)
    assert {(queue["durable"], queue["auto_delete"], queue["exclusive"]) for queue in queues.values()} == {
        (True, False, False)
    }
    assert queues["work"]["arguments"] == {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "work.dlq",
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }
    assert queues["work.retry.300ms"]["arguments"]["x-message-ttl"] == 300


def test_declaring_twice_is_declaring(rabbit: Callable[..., RabbitBroker]) -> None:
    rabbit()
    assert rabbit().available


def test_a_queue_that_exists_with_other_arguments_is_named_with_the_ways_out(vhost_url: str) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        connection.channel().queue_declare(NEXT, durable=True, arguments={"x-queue-type": "classic"})
    broker = RabbitBroker([vhost_url], "test")
    with pytest.raises(BrokerSetupError, match=f"queue '{NEXT}' exists on the broker with other arguments") as told:
        broker.start(topology(), timeout=30)
    assert "make it anew with what is on it ('runner apply --migrate')" in str(told.value)
    assert not broker.available


def test_dead_letters_of_an_earlier_version_are_kept_and_told(
    rabbit: Callable[..., RabbitBroker], vhost_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        for queue in (WORK, NEXT):
            connection.channel().queue_declare(f"{queue}.dlq", durable=True, arguments={"x-queue-type": "quorum"})
    broker = rabbit()
    assert broker.depths([WORK, NEXT]).keys() == {WORK, NEXT}
    for queue in (WORK, NEXT):
        assert f"queue '{queue}.dlq' was made by an earlier version, without x-delivery-limit" in caplog.text


def test_a_dead_letter_can_be_looked_at_any_number_of_times(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    """RabbitMQ 4.x deletes it at the 21st time, unless the queue says otherwise."""
    broker = rabbit()
    broker.publish([to(f"{WORK}.dlq")])
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        for _ in range(30):
            channel = connection.channel()
            method, _, _ = channel.basic_get(f"{WORK}.dlq")
            assert method is not None
            channel.close()
        wait_until(lambda: broker.depths([WORK])[WORK].dead == 1)


def test_a_length_that_was_changed_is_reported_with_both(rabbit: Callable[..., RabbitBroker], vhost_url: str) -> None:
    rabbit(topology(Queue(WORK, max_length=10)))
    broker = RabbitBroker([vhost_url], "test")
    with pytest.raises(BrokerSetupError, match="x-max-length is 10 there, and 20 in the pipeline"):
        broker.start(topology(Queue(WORK, max_length=20)), timeout=30)


@pytest.mark.parametrize(("before", "after"), [("classic", "quorum"), ("quorum", "classic")])
def test_a_type_that_was_changed_is_named(
    rabbit: Callable[..., RabbitBroker], vhost_url: str, before: QueueType, after: QueueType
) -> None:
    """RabbitMQ names another argument, which goes along with it."""
    rabbit(topology(Queue(WORK, type=before)))
    broker = RabbitBroker([vhost_url], "test")
    there = rf"type is {before}( \(by its x-dead-letter-exchange\))? there, and {after} in the pipeline"
    with pytest.raises(BrokerSetupError, match=there):
        broker.start(topology(Queue(WORK, type=after)), timeout=30)


def test_an_exchange_can_be_deleted_only_where_nobody_else_uses_it() -> None:
    text = "inequivalent arg 'type' for exchange 'e' in vhost '/': received 'topic' but current is 'direct'"
    explained = explain_refusal(406, text)
    assert explained.startswith(
        "exchange 'e' exists on the broker with other arguments: type is direct there, and topic"
    )
    assert explained.endswith("or delete it when nothing publishes to it, which removes other programs' bindings too")


def test_a_refusal_of_another_kind_is_reported_in_the_brokers_words() -> None:
    assert explain_refusal(403, "ACCESS_REFUSED - no") == (
        "the broker refuses to declare what the pipeline needs: ACCESS_REFUSED - no (403)"
    )
