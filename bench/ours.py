"""The runner's side: its queues, reached by its own commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench.failure import ContenderError
from runner.brokers.base import Broker, Depth
from runner.brokers.registry import connect
from runner.config.loader import load
from runner.message import Destination, Outgoing
from runner.topology import plan

TIMEOUT = 60.0
"""Seconds that the broker may take for anything."""
BATCH = 1000
"""Messages that are published at a time to fill a queue."""


@contextmanager
def broker(folder: Path) -> Iterator[Broker]:
    """The broker of the pipeline in `folder`, with all of its queues declared."""
    pipeline = load(folder / "pipeline.yaml").pipeline
    found = connect(pipeline, "bench")
    found.start(plan(pipeline), timeout=TIMEOUT)
    try:
        yield found
    finally:
        found.close()


def write(folder: Path, pipeline: str, values: Mapping[str, object]) -> None:
    """Put `pipeline` into `folder`, with `values` instead of their names."""
    for name, value in values.items():
        pipeline = pipeline.replace(name, str(value))
    (folder / "pipeline.yaml").write_text(pipeline)


def declare(folder: Path) -> None:
    """Declare the queues of the pipeline, before the program that works on them starts."""
    with broker(folder):
        pass


def fill(folder: Path, queue: str, number: int, payload: bytes) -> None:
    """Put so many messages on a queue of the pipeline."""
    with broker(folder) as found:
        for first in range(0, number, BATCH):
            numbers = range(first, min(first + BATCH, number))
            messages = [Outgoing(Destination("", queue), f"{one:032x}", payload) for one in numbers]
            found.publish(messages, timeout=TIMEOUT)


def depth(folder: Path, queue: str) -> Depth:
    """What the queue holds, with its retries and dead letters."""
    with broker(folder) as found:
        depths = found.depths([queue], timeout=TIMEOUT)
    if queue not in depths:
        raise ContenderError(f"there is no queue {queue}")
    return depths[queue]


def left(folder: Path, *queues: str) -> int:
    """How many messages the queues hold, in any state."""
    depths = [depth(folder, queue) for queue in queues]
    return sum(depth.ready + depth.in_hand + depth.delayed + depth.dead for depth in depths)
