"""Fixtures for all tests: a private RabbitMQ node, booted once a session and only when asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.rabbitmq_node import HOW_TO_GET_IT, RabbitNode, server_script


@pytest.fixture(scope="session")
def rabbit_node() -> Iterator[RabbitNode]:
    """The session's node; give each test a virtual host of its own (`vhost`)."""
    if server_script() is None:
        if os.environ.get("CI"):
            pytest.fail(HOW_TO_GET_IT, pytrace=False)
        pytest.skip(HOW_TO_GET_IT)
    with RabbitNode() as node:
        yield node


@pytest.fixture
def vhost(rabbit_node: RabbitNode) -> Iterator[str]:
    """The name of an empty virtual host on the session's node."""
    name = rabbit_node.new_vhost()
    yield name
    rabbit_node.delete_vhost(name)


@pytest.fixture
def vhost_url(rabbit_node: RabbitNode, vhost: str) -> str:
    """The AMQP URL of an empty virtual host on the session's node."""
    return rabbit_node.url(vhost)
