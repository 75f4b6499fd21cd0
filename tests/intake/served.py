"""The intake behind both of its servers, and assertions about its answers."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from granian.server.embed import Server
from werkzeug.serving import make_server

from bench.ports import free_port
from runner.brokers.base import Broker
from runner.config.loader import LoadedPipeline
from runner.intake.app import create_app
from runner.intake.rsgi import Application
from runner.ledger.ledger import Ledger
from runner.topology import plan
from tests.brokers.places import EmbeddedPlace
from tests.http_client import Answer, Client
from tests.waiting import wait_until

PIPELINE = """
    name: test
    broker: BROKER
    http:
      listen: 127.0.0.1:0
      max_body: 1KiB
      confirm_timeout: 2s
      routes:
        POST /pay:
          publish: payments
        PUT /pay:
          publish: payments
        POST /both: {publish: [payments, audit]}
        POST /sorted:
          publish:
            - {when: {required: [urgent]}, to: urgent}
            - {when: {required: [card]}, to: payments}
        POST /event:
          publish: [{to: {exchange: events, key: payment.made}}]
    exchanges:
      events: {type: topic}
    queues:
      payments: {schema: payment.json, max_length: 3}
      audit: {}
      urgent: {}
      events: {schema: payment.json, bind: [{exchange: events, key: "payment.*"}]}
    stages:
      take: {consume: payments, handler: "tests.intake.served:ignore"}
"""
SCHEMA = {
    "type": "object",
    "required": ["card"],
    "properties": {
        "card": {"type": "string", "pattern": "^[0-9]{16}$"},
        "amount": {"type": "integer", "minimum": 1},
    },
    "additionalProperties": False,
}
CARD = "4111111111111111"
FINE = {"card": CARD}


def ignore(message: object) -> None: ...


@contextmanager
def by_flask(pipeline: LoadedPipeline, broker: Broker, ledger: Ledger | None = None) -> Iterator[Client]:
    broker.start(plan(pipeline.pipeline))
    server = make_server("127.0.0.1", 0, create_app(pipeline, broker, ledger=ledger), threaded=True)
    serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    serving.start()
    yield Client(server.port)
    server.shutdown()
    serving.join()
    server.server_close()


@contextmanager
def by_granian(pipeline: LoadedPipeline, broker: Broker, ledger: Ledger | None = None) -> Iterator[Client]:
    with served(Application(pipeline, broker, ledger=ledger)) as (client, loop):
        broker.start(plan(pipeline.pipeline), loop=loop)
        yield client
        broker.close()


@contextmanager
def served(application: Application) -> Iterator[tuple[Client, asyncio.AbstractEventLoop]]:
    """`application` behind granian, on its own loop."""
    loop = asyncio.new_event_loop()
    port = free_port()

    async def serve() -> None:
        server = Server(application, port=port, log_enabled=False, websockets=False)
        stopping.append(server.stop)
        await server.serve()

    stopping: list[Any] = []
    serving = threading.Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    serving.start()
    wait_until(lambda: listens(port))
    yield Client(port), loop
    loop.call_soon_threadsafe(stopping[0])
    serving.join()
    loop.close()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


WAYS = {"flask": by_flask, "granian": by_granian}


def stored(tmp_path: Path, queue: str) -> list[Any]:
    return [json.loads(message.payload) for message in EmbeddedPlace(tmp_path / "broker.db").contents(queue)]


def assert_problem(answer: Answer, status: int, detail: str) -> Any:
    assert (answer.status, answer.mimetype) == (status, "application/problem+json"), answer.text
    document = json.loads(answer.text)
    assert document["status"] == status
    assert document["type"] == "about:blank"
    assert document["title"]
    assert detail in document["detail"]
    return document
