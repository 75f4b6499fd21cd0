"""The brokers, and which of them a URL names."""

from __future__ import annotations

from pathlib import Path

from runner.brokers.base import Broker
from runner.pipeline import Pipeline

EMBEDDED = "embedded:"


def connect(pipeline: Pipeline, part: str) -> Broker:
    """The broker of `pipeline`, not started yet; `part` (of the program) is shown in its lists.

    Only the broker that is used gets imported: a machine without RabbitMQ pays nothing for it.
    Raises BrokerSetupError for a URL that can't be used.
    """
    name = f"{pipeline.name} {part}"
    if pipeline.broker[0].startswith(EMBEDDED):
        from runner.brokers.embedded import EmbeddedBroker

        return EmbeddedBroker(Path(pipeline.broker[0].removeprefix(EMBEDDED)), name)
    from runner.brokers.rabbitmq import RabbitBroker

    return RabbitBroker(pipeline.broker, name)
