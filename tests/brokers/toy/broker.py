"""The toy broker itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from runner.brokers.base import Broker
from runner.brokers.embedded.broker import EmbeddedBroker
from runner.events import UNWATCHED, Events


def connect(urls: Sequence[str], name: str, events: Events = UNWATCHED) -> Broker:
    return EmbeddedBroker(Path(urls[0].removeprefix("toy:") + ".toybox"), name, events)
