"""What an operator does to messages that wait for a worker, or until they are tried again, while the pipeline runs.

They are chosen, accounted for and sent again as dead letters are (see `operations`). Left out: how they are shown.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, Self

import orjson

from runner.audit import Trail
from runner.brokers.base import Broker, OneByOne, Shelf, Shelved
from runner.brokers.registry import delayed, waiting
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, Filter, read
from runner.errors import BrokerAwayError, BrokerError, RunnerError
from runner.json_text import parse_json
from runner.message import Outgoing
from runner.operations import Drop, check_queues, piled
from runner.privacy.files import make_file
from runner.resending import senders
from runner.stamps import QUEUED

State = Literal["ready", "delayed"]
STATES: tuple[State, ...] = ("ready", "delayed")
_PLACES = {"ready": waiting, "delayed": delayed}


def backlog(
    loaded: LoadedPipeline,
    queues: Sequence[str],
    which: Filter,
    goes_on: Callable[[], bool] = lambda: True,
    states: Sequence[State] = STATES,
) -> Generator[tuple[Shelf, DeadLetter]]:
    """Each message that is meant, with the shelf on which it lies. `goes_on()` is asked before each one that lies
    there; False ends it. On RabbitMQ those that are ready are taken in hand one by one, and given back to the end of
    their queue. Raises RunnerError."""
    with closing(backlog_piles(loaded, queues, which, goes_on, states, 1)) as piles:
        for on, [message] in piles:
            yield on, message


def backlog_piles(
    loaded: LoadedPipeline,
    queues: Sequence[str],
    which: Filter,
    goes_on: Callable[[], bool],
    states: Sequence[State] = STATES,
    most: int | None = None,
) -> Generator[tuple[Shelf, Sequence[DeadLetter]]]:
    """The same in piles, as `operations.piles` makes them. Raises RunnerError."""
    check_queues(loaded, queues)
    stages = {stage.consume: stage.name for stage in loaded.pipeline.stages.values()}
    for name in queues or loaded.pipeline.queues:
        for state in states:
            if name not in stages and state == "delayed":
                continue
            with _PLACES[state](loaded.pipeline, "queue", name) as on:
                messages = (_waiting(read(name, shelved), stages.get(name, "")) for shelved in on.look())
                if not (yield from piled(on, messages, which, goes_on, most)):
                    return


def _waiting(message: DeadLetter, stage: str) -> DeadLetter:
    """What its headers tell of it: it has no time of its death."""
    queued = message.shelved.headers.get(QUEUED)
    time = message.first_time
    if time is None and isinstance(queued, int) and 0 < queued < 1 << 48:
        time = datetime.fromtimestamp(queued / 1000, UTC)
    return replace(message, stage=stage, time=time)


class Drain:
    """Moves messages into the file `path`, which must be new: each is on disk before it leaves its queue.
    Raises RunnerError."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail, path: Path) -> None:
        self._drop = Drop(loaded, trail)
        self._path = path
        try:
            self._file = os.fdopen(make_file(path, os.O_EXCL), "wb", buffering=0)
        except OSError as error:
            raise RunnerError(f"{path}: {(error.strerror or str(error)).lower()}; name a new file") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._drop.close()
        is_empty = self._file.tell() == 0
        self._file.close()
        if is_empty:  # else the next try would need another name
            self._path.unlink(missing_ok=True)

    def one(self, on: Shelf, message: DeadLetter) -> str:
        """Why it stays; empty: it is in the file, and nowhere else."""
        start = self._file.tell()
        self._write(orjson.dumps(_line(message), default=str, option=orjson.OPT_APPEND_NEWLINE))
        try:
            stays = self._drop.one(on, message)
        except BrokerAwayError:
            self._cut(start)
            raise
        except BrokerError:  # it may be gone: then it is here alone
            raise
        except RunnerError:
            self._cut(start)
            raise
        if stays:
            self._cut(start)
        return stays

    def _write(self, line: bytes) -> None:
        start, left = self._file.tell(), memoryview(line)
        try:
            while left:  # a disk that becomes full takes a part
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            self._cut(start)
            raise RunnerError(f"{self._path}: {(error.strerror or str(error)).lower()}") from None

    def _cut(self, start: int) -> None:
        """It lies on its queue, and there alone."""
        self._file.truncate(start)
        self._file.seek(start)


def _line(message: DeadLetter) -> dict[str, Any]:
    """As it lay on the queue: what is sealed stays sealed."""
    found = {"id": message.id, "queue": message.queue, "headers": senders(message.shelved.headers)}
    try:
        return {**found, "body": parse_json(message.shelved.payload)}
    except (ValueError, RecursionError):
        return {**found, "base64": base64.b64encode(message.shelved.payload).decode()}


def drained(lines: Iterator[bytes]) -> Iterator[DeadLetter]:
    """The messages of such a file. Raises RunnerError for what is none, naming its line."""
    for number, line in enumerate(lines, start=1):
        try:
            found = orjson.loads(line)
            payload = base64.b64decode(found["base64"]) if "base64" in found else orjson.dumps(found["body"])
            yield read(str(found["queue"]), Shelved(str(found["id"]), payload, dict(found["headers"]), None))
        except (ValueError, KeyError, TypeError):
            raise RunnerError(f"line {number} is none of a file that 'runner queue drain' has written") from None


class Refilled(OneByOne):
    """Stands for the shelf of what comes from a file: nothing has to leave it."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def look(self) -> Iterator[Shelved]:
        return iter(())

    def settle(self, shelved: Shelved, messages: Sequence[Outgoing]) -> bool:  # noqa: ARG002 - a Shelf
        self._broker.publish(messages)
        return True
