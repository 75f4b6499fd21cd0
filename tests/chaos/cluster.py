"""Three nodes of RabbitMQ on the loopback interface, which form one cluster by themselves."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import ExitStack, closing
from typing import Self

from bench.rabbitmq_node import RabbitNode
from tests.waiting import wait_until

BOOT_TIMEOUT = 120.0
"""Seconds that three nodes take on a busy machine, at most."""


class Cluster:
    """Three nodes, each with its own data, one port mapper and one cookie. A context manager."""

    def __init__(self) -> None:
        self._opened = ExitStack()
        self.nodes: Sequence[RabbitNode] = ()

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            first = opened.enter_context(closing(RabbitNode()))
            others = [opened.enter_context(closing(RabbitNode(mapper=first))) for _ in range(2)]
            self.nodes = [first, *others]
            cookie = uuid.uuid4().hex
            for node in self.nodes:
                node.join([each.name for each in self.nodes], cookie)
                node.start()
            wait_until(lambda: len(first.api("GET", "/nodes")) == len(self.nodes), timeout=BOOT_TIMEOUT)
            self._opened = opened.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()
