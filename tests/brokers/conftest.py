"""Fixtures of the contract suite: every test that asks for a `place` runs on both brokers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import uvloop

from runner.brokers.base import Broker
from runner.events import UNWATCHED, Events
from runner.topology import Topology
from tests.brokers.holder import Holder, broker_at
from tests.brokers.places import EmbeddedPlace, Place, RabbitPlace
from tests.brokers.plans import topology

Opener = Callable[..., Broker]


@pytest.fixture(params=["embedded", "rabbitmq"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A fresh file, or a fresh virtual host of the session's own RabbitMQ."""
    if request.param == "embedded":
        return EmbeddedPlace(tmp_path / "var" / "broker.db")
    return RabbitPlace(request.getfixturevalue("vhost_url"))


@pytest.fixture
def open_broker(place: Place) -> Iterator[Opener]:
    """Make and start a broker at the place; it is closed when the test ends."""
    with ExitStack() as opened:

        def open_one(
            plan: Topology | None = None,
            name: str = "test",
            loop: asyncio.AbstractEventLoop | None = None,
            events: Events = UNWATCHED,
        ) -> Broker:
            broker = broker_at(place.address, name, events)
            opened.callback(broker.close)
            broker.start(plan or topology(), timeout=30, loop=loop)
            return broker

        yield open_one


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """One that runs in a thread named "loop"."""
    loop = uvloop.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="loop")
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def broker(open_broker: Opener) -> Broker:
    """A broker that is started on the suite's own topology."""
    return open_broker()


@pytest.fixture
def hold(place: Place) -> Iterator[Callable[..., Holder]]:
    """Start another process that consumes; it is killed when the test ends."""
    with ExitStack() as started:
        yield lambda *queues, prefetch=100: started.enter_context(Holder(place.address, *queues, prefetch=prefetch))
