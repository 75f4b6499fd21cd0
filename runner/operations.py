"""What an operator does to dead letters while the pipeline runs: finds, replays and drops them.

The command line and the console do it by the same functions. Every deed is written down before it is
done (see `audit`). Left out: what a dead letter is (see `deadletters`), and how it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from runner.audit import Trail
from runner.brokers.base import Shelf
from runner.brokers.registry import shelf
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, Filter, read, replayed
from runner.errors import PublishError, RunnerError
from runner.message import Destination
from runner.pipeline import Route
from runner.routing import Router
from runner.topology import dead_letter_queue, plan
from runner.wording import did_you_mean

TAKEN = "somebody else has it in hand"


class TargetError(RunnerError):
    """There is no such queue or route."""


def router_to(loaded: LoadedPipeline, name: str) -> Router:
    """The router for a queue's name, or an HTTP route: `POST /make-payment`, or only its path.

    Raises TargetError.
    """
    pipeline = loaded.pipeline
    routes: dict[str, Sequence[Route]] = {queue: [Route((Destination("", queue),))] for queue in pipeline.queues}
    for route in pipeline.http.routes if pipeline.http is not None else ():
        routes[str(route)] = route.publish
        routes.setdefault(route.path, route.publish)
    if name not in routes:
        known = f"known: {', '.join(routes)}"
        raise TargetError(f"there is no queue or route '{name}'{did_you_mean(name, routes)}; {known}")
    return Router(routes[name], plan(pipeline), loaded.schemas, loaded.sealer)


def found(loaded: LoadedPipeline, queues: Sequence[str], which: Filter) -> Iterator[tuple[Shelf, DeadLetter]]:
    """Each dead letter that is meant, with the shelf on which it lies. Raises RunnerError."""
    known = loaded.pipeline.queues
    for name in queues:
        if name not in known:
            raise RunnerError(f"there is no queue '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")
    for name in queues or known:
        with shelf(loaded.pipeline, "dead", dead_letter_queue(name)) as on:
            for shelved in on.look():
                letter = read(name, shelved)
                if which.takes(letter):
                    yield on, letter


class Replay:
    """Sends dead letters again: to where they failed, or to the queue `to`. Raises TargetError."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail | None, to: str | None = None) -> None:
        """Without a `trail` it only says what would happen."""
        self._routers = {name: router_to(loaded, to or name) for name in loaded.pipeline.queues}
        self._trail = trail
        self._to = to

    def one(self, on: Shelf, letter: DeadLetter) -> str:
        """Why it stays; empty: it was sent. Raises RunnerError."""
        messages = replayed(letter, self._routers[letter.queue])
        if isinstance(messages, str):
            return messages
        if self._trail is None:
            return ""
        to = self._to or letter.queue
        self._trail.write(letter, to)  # first: what is sent is always accounted for
        try:
            failed = "" if on.settle(letter.shelved, messages) else TAKEN
        except PublishError as error:
            failed = str(error)
        if failed:
            self._trail.write(letter, to, failed)
        return failed


def drop(on: Shelf, letter: DeadLetter, trail: Trail) -> str:
    """Why it stays; empty: it is gone for good. Raises RunnerError."""
    trail.write(letter, "")  # first: what is gone is always accounted for
    if on.settle(letter.shelved, ()):
        return ""
    trail.write(letter, "", TAKEN)
    return TAKEN
