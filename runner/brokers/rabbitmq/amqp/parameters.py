"""A node → the parameters that pika connects with, TLS included. Leaves connecting to others."""

from __future__ import annotations

import ssl

import pika

from runner.brokers.rabbitmq.amqp.node import Node
from runner.errors import BrokerSetupError

HEARTBEAT = 30
"""Seconds. A peer that is silent for this long is given up."""
CONNECT_TIMEOUT = 10
"""Seconds for TCP, TLS and AMQP together."""


def parameters(node: Node, name: str) -> pika.ConnectionParameters:
    """How to connect to `node`; `name` is shown in RabbitMQ's lists.

    Raises BrokerSetupError where a certificate that the URL names can't be used.
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


def _tls(node: Node) -> pika.SSLOptions:
    """Verified TLS, always: there is no switch to turn verification off."""
    try:
        context = ssl.create_default_context(cafile=node.cacertfile)
        if node.certfile is not None:
            context.load_cert_chain(node.certfile, node.keyfile)
    except OSError as error:
        named = node.certfile or node.cacertfile
        raise BrokerSetupError(f"the broker's URL names a certificate that can't be used: {named}: {error}") from None
    return pika.SSLOptions(context, node.server_name_indication or node.host)
