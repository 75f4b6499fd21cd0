"""A node → the parameters with which pika connects, TLS included. Left out: connecting."""

from __future__ import annotations

import pika

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.errors import BrokerSetupError

HEARTBEAT = 30
"""Seconds. A peer that is silent for this long is given up."""
CONNECT_TIMEOUT = 10
"""Seconds for TCP, TLS and AMQP together."""


def parameters(node: BrokerNode, name: str) -> pika.ConnectionParameters:
    """How to connect to `node`; `name` is shown in RabbitMQ's lists.

    Raises BrokerSetupError if a certificate that the URL names can't be used.
    """
    timeout = node.connection_timeout or CONNECT_TIMEOUT
    return pika.ConnectionParameters(
        host=node.host,
        port=node.port,
        virtual_host=node.vhost,
        credentials=pika.PlainCredentials(node.user, node.password),
        ssl_options=_tls(node) if node.tls else None,
        heartbeat=node.heartbeat or HEARTBEAT,
        socket_timeout=timeout,
        stack_timeout=timeout,
        connection_attempts=1,
        client_properties={"connection_name": name, "product": "acklast"},
    )


def _tls(node: BrokerNode) -> pika.SSLOptions:
    try:
        return pika.SSLOptions(node.tls_context(), node.server_name_indication or node.host)
    except ValueError as error:
        raise BrokerSetupError(f"the broker's URL {error}") from None
