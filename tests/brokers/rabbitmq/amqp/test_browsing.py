"""How a queue of RabbitMQ is read: by one operator at a time, keeping the sender's properties."""

from __future__ import annotations

from contextlib import closing

import pika
import pytest

from runner.brokers.rabbitmq.amqp import browsing
from runner.brokers.rabbitmq.amqp.browsing import Browser
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError


def test_the_second_who_looks_is_told_that_somebody_does(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    _put(vhost_url, pika.BasicProperties(message_id="m"))
    with closing(Browser(node, "one", "q.dlq")) as first, closing(Browser(node, "two", "q.dlq")) as second:
        looking = first.messages()
        assert next(looking).id == "m"
        _put(vhost_url, pika.BasicProperties(message_id="n"))
        with pytest.raises(BrokerUnavailableError, match="somebody else is looking at it"):
            next(second.messages())


def test_the_senders_properties_go_with_it_but_those_that_would_end_it_or_refuse_it(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    _put(vhost_url, pika.BasicProperties(message_id="m", content_type="a/b", expiration="9999999", priority=3))
    with closing(Browser(node, "one", "q.dlq")) as browser:
        (message,) = browser.messages()
        assert browser.publish(message.tag, "", "q.dlq", "m", {"a": 1}, b"again") == ""
        browser.ack(message.tag)
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        _, properties, body = connection.channel().basic_get("q.dlq", auto_ack=True)
    assert (body, properties.content_type, properties.headers["a"]) == (b"again", "a/b", 1)
    assert (properties.expiration, properties.priority, properties.delivery_mode) == (None, None, 2)


def test_more_than_one_consumer_may_hold_keep_their_order(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "MOST", 4)
    (node,) = nodes(vhost_url)
    sent = [f"m{n}" for n in range(10)]
    for name in sent:
        _put(vhost_url, pika.BasicProperties(message_id=name))
    for _ in range(2):
        with closing(Browser(node, "one", "q.dlq")) as browser:
            assert [message.id for message in browser.messages()] == sent


def _put(url: str, properties: pika.BasicProperties) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.queue_declare("q.dlq", durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        channel.basic_publish("", "q.dlq", b"{}", properties)
