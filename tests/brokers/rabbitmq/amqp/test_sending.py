"""What takes the place of a message that was read: confirmed, and with its sender's properties."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pika
import pytest

from runner.brokers.rabbitmq.amqp.fields import Properties
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.sending import REFUSED, UNROUTABLE, Sender
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError

ORIGIN = Properties(content_type="a/b", expiration="9999999", priority=3, correlation_id="c")


@pytest.fixture
def sender(vhost_url: str) -> Iterator[Sender]:
    (node,) = nodes(vhost_url)
    with closing(Sender(Link(node, "test"))) as found:
        yield found


@pytest.fixture
def channel(vhost_url: str) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        arguments = {"x-queue-type": "quorum", "x-max-length": 1, "x-overflow": "reject-publish"}
        channel.queue_declare("full", durable=True, arguments=arguments)
        channel.queue_declare("q", durable=True, arguments={"x-queue-type": "quorum"})
        yield channel


def test_the_senders_properties_go_with_it_but_those_that_would_end_it_or_refuse_it(
    sender: Sender, channel: pika.adapters.blocking_connection.BlockingChannel
) -> None:
    assert sender.publish("", "q", "m", {"a": 1}, b"again", ORIGIN) == ""
    _, properties, body = channel.basic_get("q", auto_ack=True)
    assert (body, properties.message_id, properties.headers["a"]) == (b"again", "m", 1)
    assert (properties.content_type, properties.correlation_id, properties.delivery_mode) == ("a/b", "c", 2)
    assert (properties.expiration, properties.priority) == (None, None)


@pytest.mark.usefixtures("channel")
def test_what_no_queue_takes_is_refused_with_the_reason_and_the_next_is_not(sender: Sender) -> None:
    assert sender.publish("", "nowhere", "m", {}, b"{}", None) == UNROUTABLE
    assert sender.publish("", "q", "m", {}, b"{}", None) == ""
    assert REFUSED in [sender.publish("", "full", f"m{n}", {}, b"{}", None) for n in range(10)]
    assert "frame" in sender.publish("", "q", "m", {"a": "x" * 200_000}, b"{}", None)
    assert sender.publish("", "q", "m", {}, b"{}", None) == ""


def test_a_channel_that_the_broker_closes_leaves_the_fate_open(sender: Sender) -> None:
    with pytest.raises(BrokerUnavailableError, match="nowhere"):
        sender.publish("nowhere", "", "m", {}, b"{}", None)
