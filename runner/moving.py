"""All messages of a pipeline, from the broker's file to another broker: waiting, delayed and dead.

Each is confirmed there before it leaves the file. Whatever ends that, the next attempt goes on from there, and
one message may be there twice. One whose headers can't be read goes to the dead letters, with its body alone: no
stage may handle it here, and without them it would look like a new one there.

Left out: whether anybody is at work on them (see `commands.move`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime

from runner.brokers.base import Broker, Shelf, Shelved
from runner.brokers.registry import delayed, parse, shelf, waiting
from runner.config.loader import LoadedPipeline
from runner.errors import PublishError, RunnerError
from runner.message import ERROR, QUEUE, STRIPPED, TIME, Delivery, Destination, Outgoing, Session, is_usable, new_id
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
    """Moves one message after another, and yields the name of the queue that has it now. `goes_on()` is asked before
    each; False ends it. Raises RunnerError; what was moved until then stays so."""
    rungs = plan(source).rungs
    for home, queue, opened in _shelves(source):
        with opened as on:
            for shelved in on.look():
                if not goes_on():
                    return
                message = _unread(shelved, home) or _carried(shelved, queue, waits=bool(rungs.get(queue)))
                _move(on, shelved, message, target)
                yield message.destination.key


def _shelves(source: Pipeline) -> Iterator[tuple[str, str, AbstractContextManager[Shelf]]]:
    """The names of the file's work queues, that of each or of its dead letters, and what lies there."""
    for name in source.queues:
        yield name, name, waiting(source, "move", name)
        yield name, name, delayed(source, "move", name)
        dead = dead_letter_queue(name)
        yield name, dead, shelf(source, "move", dead)


def _carried(shelved: Shelved, queue: str, *, waits: bool) -> Outgoing:
    """`waits`: whether a message of that queue can wait there; otherwise its wait is over."""
    left = max(0.0, shelved.due - time.time()) if waits and shelved.due is not None else 0.0
    headers = {
        name: value
        for name, value in shelved.headers.items()
        if not name.lower().startswith("x-") and name.lower() not in ORDERS
    }
    name = shelved.id if is_usable(shelved.id) else new_id()  # as it would get one when a worker takes it
    origin = Delivery(queue, name, shelved.payload, headers, 1, Session(), 0)
    return Outgoing(Destination("", queue), name, shelved.payload, headers, delay=left, origin=origin)


def _unread(shelved: Shelved, home: str) -> Outgoing | None:
    """A dead letter of the work queue `home` for a message whose headers can't be read; None: they can."""
    why = shelved.headers.get(STRIPPED)
    if why is None:
        return None
    dead = {QUEUE: home, ERROR: why, TIME: datetime.now(UTC).isoformat(timespec="milliseconds"), **shelved.headers}
    return _carried(shelved._replace(headers=dead), dead_letter_queue(home), waits=False)


def _move(on: Shelf, shelved: Shelved, message: Outgoing, target: Broker) -> None:
    name = shelved.id if shelved.id == message.id else "a message without a usable id"
    try:
        target.publish([message])
    except PublishError as error:
        raise RunnerError(f"{message.destination} doesn't take {name}: {error}") from error
    if not on.settle(shelved, []):
        raise RunnerError(f"somebody else has taken {name}; stop what uses the broker's file")
