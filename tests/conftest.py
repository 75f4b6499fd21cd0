"""Fixtures for all tests: a private RabbitMQ node and a certificate, made once a session and only when asked for."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
from hypothesis import HealthCheck, settings

from bench.postgres_node import HOW_TO_GET_IT as HOW_TO_GET_POSTGRES
from bench.postgres_node import PostgresNode, server_programs
from bench.rabbitmq_node import HOW_TO_GET_IT, RabbitNode, server_script
from tests.certificates import Certificate, make_certificate

# No test is judged by the clock: the machine may be busy.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_configure() -> None:
    """A mistaken RABBITMQ_SERVER is one error before the first test, not one in each."""
    # Hundreds of programs are started: if none may keep what it has compiled, each compiles all of it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    # A shell's job in the background ignores Ctrl-C, as would all that is started from here; tests interrupt some.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        server_script()
    except FileNotFoundError as error:
        raise pytest.UsageError(str(error)) from None


@pytest.fixture(autouse=True)
def unchanged_modules(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Loading a pipeline puts its folder on `sys.path` and imports its modules: the next test
    mustn't find them there."""
    path, modules = sys.path[:], set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        file, folders = (getattr(sys.modules[name], attribute, None) for attribute in ("__file__", "__path__"))
        if str(file or next(iter(folders or [""]))).startswith(str(tmp_path_factory.getbasetemp())):
            del sys.modules[name]


@pytest.fixture(autouse=True)
def unchanged_logging() -> Iterator[None]:
    """A command configures the logging of its process, which the next test mustn't find."""
    root = logging.getLogger()
    level, handlers = root.level, root.handlers[:]
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


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


@pytest.fixture(scope="session")
def postgres_node() -> Iterator[PostgresNode]:
    """The session's PostgreSQL; give each test a database of its own (`postgres_node.new_database`)."""
    if server_programs() is None:
        if os.environ.get("CI"):
            pytest.fail(HOW_TO_GET_POSTGRES, pytrace=False)
        pytest.skip(HOW_TO_GET_POSTGRES)
    with PostgresNode(durable=False) as node:
        yield node


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty ledger, on each database."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'ledger.db'}"
    return cast("PostgresNode", request.getfixturevalue("postgres_node")).new_database()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate of `localhost` that nobody trusts unless told to."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))
