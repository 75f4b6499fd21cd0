"""One node of a cluster: what has to be known to connect to it. Knows nothing of pika."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Node:
    """One node of a cluster, as its URL names it."""

    url: str
    host: str
    port: int
    vhost: str = "/"
    user: str = "guest"
    password: str = "guest"  # noqa: S105 - RabbitMQ's default, which it takes from its own machine only
    tls: bool = False
    cacertfile: str | None = None
    certfile: str | None = None
    keyfile: str | None = None
    server_name_indication: str | None = None
    heartbeat: int | None = None
    """Seconds."""
    connection_timeout: int | None = None
    """Seconds."""

    @property
    def label(self) -> str:
        """How the node is named to people: without credentials."""
        vhost = "" if self.vhost == "/" else f"/{self.vhost}"
        return f"{'amqps' if self.tls else 'amqp'}://{self.host}:{self.port}{vhost}"
