"""Reading the dead letters of a queue, without taking them away."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.brokers.places import EmbeddedPlace, Place, RabbitPlace


class DeadLetter(NamedTuple):
    """A message on `<queue>.dlq`."""

    id: str
    body: Any
    headers: Mapping[str, Any]


def dead_letters(broker: str, queue: str) -> list[DeadLetter]:
    """Those of `queue` on the broker with this URL, oldest first."""
    path = Path(broker.removeprefix("embedded:"))
    place: Place = EmbeddedPlace(path) if broker.startswith("embedded:") else RabbitPlace(broker)
    stored = place.contents(f"{queue}.dlq")
    return [DeadLetter(message.id, json.loads(message.payload), message.headers) for message in stored]
