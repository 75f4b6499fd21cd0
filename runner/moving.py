"""All messages of a pipeline, from the broker's file to another broker: waiting, delayed and dead.

Each is confirmed there before it leaves the file. Whatever ends that, the next attempt goes on from there, and
one message may be there twice. Left out: whether anybody is at work on them (see `commands.move`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace

from runner.brokers.base import Broker, Shelf, Shelved
from runner.brokers.registry import delayed, parse, shelf, waiting
from runner.config.loader import LoadedPipeline
from runner.errors import PublishError, RunnerError
from runner.message import Destination, Outgoing
from runner.pipeline import Pipeline
from runner.resending import ORDERS
from runner.topology import dead_letter_queue, plan


def at(loaded: LoadedPipeline, url: str) -> LoadedPipeline:
    """The pipeline on the broker at `url`. Raises RunnerError."""
    try:
        broker = parse(url, loaded.pipeline.folder)
    except ValueError as error:
        raise RunnerError(f"the broker's URL {error}") from None
    return replace(loaded, pipeline=replace(loaded.pipeline, broker=broker))


def moved(source: Pipeline, target: Broker, goes_on: Callable[[], bool]) -> Iterator[str]:
    """Moves one message after another, and yields the name of its queue. `goes_on()` is asked before each; False
    ends it. Raises RunnerError; what was moved until then stays so."""
    rungs = plan(source).rungs
    for queue, opened in _shelves(source):
        with opened as on:
            for shelved in on.look():
                if not goes_on():
                    return
                _move(on, shelved, queue, target, waits=bool(rungs.get(queue)))
                yield queue


def _shelves(source: Pipeline) -> Iterator[tuple[str, AbstractContextManager[Shelf]]]:
    """The names of the file's queues, and what lies on each."""
    for name in source.queues:
        yield name, waiting(source, "move", name)
        yield name, delayed(source, "move", name)
        dead = dead_letter_queue(name)
        yield dead, shelf(source, "move", dead)


def _move(on: Shelf, shelved: Shelved, queue: str, target: Broker, *, waits: bool) -> None:
    """`waits`: whether a message of that queue can wait there; otherwise its wait is over."""
    left = max(0.0, shelved.due - time.time()) if waits and shelved.due is not None else 0.0
    headers = {
        name: value
        for name, value in shelved.headers.items()
        if not name.lower().startswith("x-") and name.lower() not in ORDERS
    }
    message = Outgoing(Destination("", queue), shelved.id, shelved.payload, headers, delay=left)
    try:
        target.publish([message])
    except PublishError as error:
        raise RunnerError(f"{queue} doesn't take {shelved.id or 'a message without an id'}: {error}") from error
    if not on.settle(shelved, []):
        raise RunnerError(f"somebody else has taken {shelved.id} from {queue}; stop what uses the broker's file")
