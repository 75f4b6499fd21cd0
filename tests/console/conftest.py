"""A console that is served, of a small pipeline on the embedded broker, and a client that is no browser."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.console.serving import Served
from runner.message import Destination, Outgoing
from runner.pipeline import Address, Console
from runner.ports import listening
from runner.topology import plan
from tests.pipelines import loaded

PIPELINE = """
    name: shop
    broker: BROKER
    console: {listen: "127.0.0.1:0"}
    queues: {orders: {}, bills: {}}
    stages:
      check: {consume: orders, handler: "tests.config.handlers:take", publish: bills}
      bill: {consume: bills, handler: "tests.config.handlers:take"}
"""


class Answer(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: str


class Shown:
    """A console, and what it is the console of."""

    def __init__(self, pipeline: LoadedPipeline, broker: Broker, unread: float) -> None:
        assert pipeline.pipeline.console is not None
        self.loaded, self.broker = pipeline, broker
        self.processes = {"worker": True}
        listener = listening(pipeline.pipeline.console.listen, "console: listen", unread=unread)
        self.port: int = listener.getsockname()[1]
        self.console: Console = pipeline.pipeline.console
        self.served = self._served(listener)

    def _served(self, listener: socket.socket) -> Served:
        return Served(self.loaded, self.console, listener, self.broker, ["orders"], lambda: self.processes)

    def serve_again(self) -> None:
        """After it was stopped, at the same address."""
        self.served = self._served(listening(Address("127.0.0.1", self.port), "console: listen"))
        self.served.start()

    def ask(
        self, path: str, method: str = "GET", body: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, dict(answer.headers.items()), answer.read().decode())
        finally:
            connection.close()


Show = Callable[..., Shown]


@pytest.fixture
def show(tmp_path: Path) -> Iterator[Show]:
    """Serve the console of a pipeline; all of them are stopped afterwards."""
    served: list[Shown] = []

    def make(text: str = PIPELINE, schemas: Mapping[str, object] | None = None, unread: float = 0.0) -> Shown:
        pipeline = loaded(tmp_path, text, schemas)
        broker = connect(pipeline.pipeline, "console")
        served.append(Shown(pipeline, broker, unread))
        served[-1].served.start()
        broker.start(plan(pipeline.pipeline))
        return served[-1]

    yield make
    for one in served:
        one.served.stop()
        one.broker.close()


@pytest.fixture
def shown(show: Show) -> Shown:
    """The console of the small pipeline."""
    return show()


def bury(shown: Shown, *ids: str, error: str = "it failed", body: bytes = b"{}") -> None:
    """Put messages into the dead letters of `orders`."""
    headers = {"runner-error": error, "runner-stage": "check", "runner-time": "2026-01-02T03:04:05.000+00:00"}
    shown.broker.publish([Outgoing(Destination("", "orders.dlq"), one, body, headers) for one in ids])
