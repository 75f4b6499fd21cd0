"""How a node is shown to people."""

from __future__ import annotations

import pytest

from runner.brokers.rabbitmq.amqp.node import BrokerNode

URL = "amqp://user:hunter2@rabbit/v"


@pytest.mark.parametrize(
    ("node", "label"),
    [
        (BrokerNode(URL, "rabbit", 5672), "amqp://rabbit:5672"),
        (BrokerNode(URL, "rabbit", 5671, vhost="payments", tls=True), "amqps://rabbit:5671/payments"),
        (BrokerNode(URL, "rabbit", 5672, vhost="v", user="user", password="hunter2"), "amqp://rabbit:5672/v"),
    ],
)
def test_a_node_is_named_without_credentials(node: BrokerNode, label: str) -> None:
    assert node.label == label
