"""All messages of a pipeline, from the broker's file to another broker: waiting, delayed and dead.

Some are under way at a time, and each leaves the file when it was confirmed there. Whatever ends that, the next
attempt goes on from there, and those that were under way may be there twice. One whose headers can't be read goes
to the dead letters, with its body alone: no stage may handle it here, and without them it would look like a new
one there.

Left out: whether anybody is at work on them (see `commands.move`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from typing import NamedTuple

from runner.brokers.answer import Answer
from runner.brokers.base import ANSWER_TIMEOUT, Broker, Shelf, Shelved
from runner.brokers.registry import delayed, parse, shelf, waiting
from runner.config.loader import LoadedPipeline
from runner.errors import BrokerAwayError, BrokerError, BrokerUnavailableError, PublishError, RunnerError, TakenError
from runner.message import ERROR, QUEUE, STRIPPED, TIME, Delivery, Destination, Outgoing, Session, is_usable, new_id
from runner.operations import PILE_BYTES
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
    """Moves all messages, and yields for each the name of the queue that has it now. `goes_on()` is asked before
    each; False ends it after those under way. Raises RunnerError; what was moved until then stays so."""
    rungs = plan(source).rungs
    for home, queue, opened in _shelves(source):
        with opened as on:
            under_way: list[_Move] = []
            size = 0
            for shelved in on.look():
                if not goes_on():
                    yield from _confirmed(on, under_way, target)
                    return
                message = _unread(shelved, home) or _carried(shelved, queue, waits=bool(rungs.get(queue)))
                under_way.append(_Move(shelved, message, Answer()))
                size += len(shelved.payload)
                if len(under_way) >= on.at_once or size >= PILE_BYTES:
                    yield from _confirmed(on, under_way, target)
                    under_way, size = [], 0
            yield from _confirmed(on, under_way, target)


class _Move(NamedTuple):
    """A message under way."""

    shelved: Shelved
    message: Outgoing
    answer: Answer
    """Whether it is there."""

    @property
    def name(self) -> str:
        return self.shelved.id if self.shelved.id == self.message.id else "a message without a usable id"


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


def _confirmed(on: Shelf, under_way: Sequence[_Move], target: Broker) -> Iterator[str]:
    """Publish them; those that `target` has confirmed leave `on`. Yields where each of them is now. Raises
    RunnerError if one stays."""
    troubles: list[RunnerError] = []
    there = list(_published(under_way, target, troubles))
    for one, stays in zip(there, on.settle_all([(one.shelved, []) for one in there]), strict=True):
        if stays is None:
            yield one.message.destination.key
        elif isinstance(stays, TakenError):
            troubles.append(RunnerError(f"somebody else has taken {one.name}; stop what uses the broker's file"))
        else:
            troubles.append(stays)
    if troubles:
        raise troubles[0]


def _published(under_way: Sequence[_Move], target: Broker, troubles: list[RunnerError]) -> Iterator[_Move]:
    """Those that `target` has confirmed. `troubles` gets why others are not there, or may not be."""
    submitted: list[_Move] = []
    try:
        for one in under_way:
            target.submit([one.message], one.answer.give)
            submitted.append(one)
    except BrokerAwayError as error:  # those before may be there all the same
        troubles.append(error)
    ends = time.monotonic() + ANSWER_TIMEOUT
    for one in submitted:
        try:
            if one.answer.wait(ends - time.monotonic()):
                yield one
            else:
                troubles.append(BrokerUnavailableError(f"no answer in {ANSWER_TIMEOUT:g} s"))
        except PublishError as error:
            troubles.append(RunnerError(f"{one.message.destination} doesn't take {one.name}: {error}"))
        except BrokerError as error:
            troubles.append(error)
