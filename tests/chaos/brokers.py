"""What the pipeline runs on, and what can happen to it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Protocol

from bench.rabbitmq_node import RabbitNode
from tests.chaos.cluster import Cluster
from tests.chaos.house import wait

FILE = "var/broker.db"
HEARTBEAT = 2
"""Seconds; twice as long without a sign of life, and RabbitMQ takes a process for dead."""


class Ground(Protocol):
    """A broker under the pipeline."""

    @property
    def url(self) -> str:
        """As the pipeline names it."""

    @property
    def outside(self) -> str:
        """As one names it who looks at it from elsewhere."""

    @property
    def nodes(self) -> Sequence[RabbitNode]:
        """Those that can be killed."""

    def cut(self) -> None:
        """Take it away from those who use it, for a moment."""


class EmbeddedGround:
    """The file of the embedded broker: no node to kill, but another program may lock it."""

    url = f"embedded:{FILE}"
    nodes: Sequence[RabbitNode] = ()

    def __init__(self, folder: Path) -> None:
        self._file = folder / FILE
        self.outside = f"embedded:{self._file}"

    def cut(self) -> None:
        with suppress(sqlite3.Error), closing(sqlite3.connect(self._file, isolation_level=None)) as file:
            file.execute("BEGIN IMMEDIATE")
            wait(1)


class RabbitGround:
    """Some nodes of RabbitMQ."""

    def __init__(self, nodes: Sequence[RabbitNode]) -> None:
        self.nodes = nodes
        first = nodes[0]
        self.outside = first.url()
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in nodes)
        self.url = f"amqp://{first.user}:{first.password}@{hosts}/?heartbeat={HEARTBEAT}"

    def cut(self) -> None:
        for node in self.nodes:
            if node.running:
                node.close_connections("/")


@contextmanager
def ground(kind: str, folder: Path) -> Iterator[Ground]:
    """`embedded`, `rabbitmq` or `cluster`: everything of it is ended afterwards."""
    if kind == "embedded":
        yield EmbeddedGround(folder)
    elif kind == "rabbitmq":
        with RabbitNode() as node:
            yield RabbitGround([node])
    else:
        with Cluster() as cluster:
            yield RabbitGround(cluster.nodes)
