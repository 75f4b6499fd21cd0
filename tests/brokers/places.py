"""Where the contract suite runs: a file of the embedded broker, or a virtual host of RabbitMQ.

Tests look into each from outside, by its own means and not through the runner's brokers.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pika

from runner.brokers.embedded.books import PLACES
from runner.message import Destination, Outgoing
from tests.brokers.holder import broker_at
from tests.brokers.plans import topology


class Stored(NamedTuple):
    """A message that lies on a queue."""

    id: str
    payload: bytes
    headers: dict[str, Any]


class Place(Protocol):
    @property
    def address(self) -> str:
        """What `broker_at` takes."""

    def contents(self, queue: str) -> list[Stored]:
        """What waits on a queue that nobody consumes, oldest first; it stays there."""

    def put_foreign(self, queue: str, payload: bytes) -> None:
        """Put a message there as a program might that isn't a runner: without an id."""


@dataclass(frozen=True)
class EmbeddedPlace:
    path: Path

    @property
    def address(self) -> str:
        return f"embedded:{self.path}"

    def contents(self, queue: str) -> list[Stored]:
        with closing(sqlite3.connect(self.path)) as file:
            rows = file.execute(
                f"SELECT id, payload, coalesce(headers, '{{}}') FROM message JOIN queue ON number = place >> {PLACES}"
                " WHERE name = ? ORDER BY place",
                (queue,),
            )
            return [Stored(message, payload, json.loads(headers)) for message, payload, headers in rows]

    def put_foreign(self, queue: str, payload: bytes) -> None:
        broker = broker_at(self.address, "foreign")
        broker.start(topology(), timeout=30)
        broker.publish([Outgoing(Destination("", queue), "", payload)])
        broker.close()


@dataclass(frozen=True)
class RabbitPlace:
    url: str

    @property
    def address(self) -> str:
        return self.url

    def contents(self, queue: str) -> list[Stored]:
        found = []
        with closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            while (got := channel.basic_get(queue))[0] is not None:
                _, properties, body = got
                headers = {name: value for name, value in (properties.headers or {}).items() if name[:2] != "x-"}
                found.append(Stored(properties.message_id, body, headers))
        return found

    def put_foreign(self, queue: str, payload: bytes) -> None:
        with closing(pika.BlockingConnection(pika.URLParameters(self.url))) as connection:
            channel = connection.channel()
            channel.confirm_delivery()
            channel.basic_publish("", queue, payload, pika.BasicProperties(delivery_mode=2), mandatory=True)
