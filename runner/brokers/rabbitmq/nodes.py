"""Broker URLs → the nodes to connect to. Leaves connecting to `connection`.

That a URL is well formed, with parameters that are known, has been checked when the
pipeline was loaded (`runner.config.broker_url`).
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote, urlsplit

import pika

from runner.errors import BrokerSetupError

HEARTBEAT = 30
"""Seconds. A peer that is silent for this long is given up."""
CONNECT_TIMEOUT = 10
"""Seconds for TCP, TLS and AMQP together."""


def parameters(urls: Sequence[str], name: str) -> list[pika.ConnectionParameters]:
    """The connection parameters of each URL, in order; `name` is shown in RabbitMQ's lists.

    Raises BrokerSetupError where a certificate that a URL names can't be used.
    """
    return [_node(url, name) for url in urls]


def label(node: pika.ConnectionParameters) -> str:
    """How a node is named to people: without credentials."""
    scheme = "amqps" if node.ssl_options else "amqp"
    vhost = "" if node.virtual_host == "/" else f"/{node.virtual_host}"
    return f"{scheme}://{node.host}:{node.port}{vhost}"


def _node(url: str, name: str) -> pika.ConnectionParameters:
    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    tls = parts.scheme == "amqps"
    host = parts.hostname or "localhost"
    timeout = int(query.get("connection_timeout", CONNECT_TIMEOUT))
    return pika.ConnectionParameters(
        host=host,
        port=parts.port or (5671 if tls else 5672),
        virtual_host=unquote(parts.path[1:]) or "/",
        credentials=pika.PlainCredentials(unquote(parts.username or "guest"), unquote(parts.password or "guest")),
        ssl_options=_tls(query, host) if tls else None,
        heartbeat=int(query.get("heartbeat", HEARTBEAT)),
        socket_timeout=timeout,
        stack_timeout=timeout,
        connection_attempts=1,
        client_properties={"connection_name": name, "product": "acklast"},
    )


def _tls(query: dict[str, str], host: str) -> pika.SSLOptions:
    """Verified TLS, always: there is no switch to turn verification off."""
    try:
        context = ssl.create_default_context(cafile=query.get("cacertfile"))
        if "certfile" in query:
            context.load_cert_chain(query["certfile"], query.get("keyfile"))
    except OSError as error:
        named = query.get("certfile") if "certfile" in query else query.get("cacertfile")
        raise BrokerSetupError(f"the broker's URL names a certificate that can't be used: {named}: {error}") from None
    return pika.SSLOptions(context, query.get("server_name_indication", host))
