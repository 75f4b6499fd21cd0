"""Which queues there are, asked of the management plugin."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pika
import pytest

from bench.rabbitmq_node import RabbitNode
from runner.brokers.rabbitmq.management import VARIABLE, queue_names
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError


def test_all_queues_that_last_are_named(vhost_url: str, rabbit_node: RabbitNode) -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        channel.queue_declare("kept", durable=True)
        channel.queue_declare("mine", exclusive=True)
        assert queue_names(nodes(vhost_url)[0], {VARIABLE: rabbit_node.management_url}) == ["kept"]


def test_the_users_of_the_broker_and_of_the_variable_both_may_be_refused(
    vhost_url: str, rabbit_node: RabbitNode
) -> None:
    node, url = nodes(vhost_url)[0], rabbit_node.management_url
    for asked, given in ((replace(node, password="wrong"), url), (node, url.replace("//", "//guest:wrong@"))):
        with pytest.raises(BrokerUnavailableError, match="answers 401; enable rabbitmq_management") as error:
            queue_names(asked, {VARIABLE: given})
        assert "wrong" not in str(error.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("http://127.0.0.1:1/", r"the management plugin at http://127\.0\.0\.1:1 doesn't answer \(.*refused"),
        ("127.0.0.1:15672", r"MANAGEMENT_URL can't be used; write http://HOST:15672"),
    ],
)
def test_where_nobody_answers_it_says_what_to_do(vhost_url: str, given: str, told: str) -> None:
    with pytest.raises(BrokerUnavailableError, match=told):
        queue_names(nodes(vhost_url)[0], {VARIABLE: given})
