"""Reading the dead letters of a queue, without taking them away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

import pika


class DeadLetter(NamedTuple):
    """A message on `<queue>.dlq`."""

    id: str
    body: Any
    headers: Mapping[str, Any]


def dead_letters(broker: str, queue: str) -> list[DeadLetter]:
    """Those of `queue` on the broker with this URL, oldest first."""
    name = f"{queue}.dlq"
    return (
        _embedded(broker.removeprefix("embedded:"), name) if broker.startswith("embedded:") else _rabbit(broker, name)
    )


def _rabbit(url: str, name: str) -> list[DeadLetter]:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    letters = []
    channel = connection.channel()
    while True:
        method, properties, body = channel.basic_get(name)
        if method is None:
            break
        letters.append(DeadLetter(properties.message_id, json.loads(body), properties.headers))
    connection.close()  # unacked: they stay where they are
    return letters


def _embedded(path: str, name: str) -> list[DeadLetter]:
    raise NotImplementedError
