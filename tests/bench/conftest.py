"""What benchmarks need, on the session's RabbitMQ node; C programs are compiled once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.ground import Ground
from bench.rabbitmq_node import RabbitNode


@pytest.fixture(scope="session")
def ground(rabbit_node: RabbitNode) -> Iterator[Ground]:
    with Ground(rabbit_node) as made:
        yield made
