"""Two stages of one pipeline, at work in this process on a real broker."""

from __future__ import annotations

from pathlib import Path

from runner.engine import Engine
from runner.message import Destination, Outgoing
from tests.pipelines import loaded

PIPELINE = """
    name: test
    broker: BROKER
    defaults:
      retry: {attempts: 2, delay: 50ms}
    shutdown_timeout: 5s
    queues:
      work: {}
      other: {}
    stages:
      one:
        consume: work
        handler: "tests.worker.handlers:HANDLER"
        concurrency: 3
      two:
        consume: other
        handler: "tests.worker.handlers:Noting"
"""


def engine(folder: Path, handler: str) -> Engine:
    """Both stages; `handler` is that of stage `one`."""
    return Engine(loaded(folder, PIPELINE.replace("HANDLER", handler)), timeout=10)


def send(running: Engine, *bodies: bytes, queue: str = "work") -> None:
    """Publish bodies, each with an id that tells which."""
    messages = [Outgoing(Destination("", queue), f"id-{body.decode()}", body) for body in bodies]
    running.broker.publish(messages)
