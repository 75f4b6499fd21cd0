"""What an operator does to dead letters while the pipeline runs: finds, replays and drops them.

The command line and the console do it by the same functions. Every deed is written down before it is
done: in the audit trail, and in the message's journey. Left out: what a dead letter is (see
`deadletters`), and how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

from runner.audit import Trail
from runner.brokers.base import Shelf
from runner.brokers.registry import shelf
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, Filter, read
from runner.errors import PublishError, RunnerError
from runner.message import Destination, Outgoing
from runner.pipeline import Route
from runner.resending import replayed
from runner.routing import Router
from runner.topology import dead_letter_queue, plan
from runner.wording import did_you_mean

if TYPE_CHECKING:
    from runner.ledger.interventions import Interventions

Reached = tuple[str, str, Mapping[str, Any]]
"""Where a message goes: its id, the queue, and its headers."""
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


def check_queues(loaded: LoadedPipeline, queues: Sequence[str]) -> None:
    """That all of them are in the file. Raises RunnerError."""
    known = loaded.pipeline.queues
    for name in queues:
        if name not in known:
            raise RunnerError(f"there is no queue '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")


def found(
    loaded: LoadedPipeline, queues: Sequence[str], which: Filter, goes_on: Callable[[], bool] = lambda: True
) -> Generator[tuple[Shelf, DeadLetter]]:
    """Each dead letter that is meant, with the shelf on which it lies. `goes_on()` is asked before each one
    that lies there; False ends it. Raises RunnerError."""
    check_queues(loaded, queues)
    for name in queues or loaded.pipeline.queues:
        with shelf(loaded.pipeline, "dead", dead_letter_queue(name)) as on:
            for shelved in on.look():
                if not goes_on():
                    return
                letter = read(name, shelved)
                if which.takes(letter):
                    yield on, letter


def sent_in_place(loaded: LoadedPipeline, letter: DeadLetter, send: Callable[[Shelf, DeadLetter], str]) -> str:
    """Look for a dead letter that was seen before, and `send` something in its place. Returns why it stays; empty:
    it was sent. Raises RunnerError."""
    with closing(found(loaded, [letter.queue], Filter(ids=frozenset([letter.id])))) as again:
        for on, other in again:
            if other.shelved.payload == letter.shelved.payload and other.time == letter.time:
                return send(on, other)
    return "it is no longer there: somebody else has replayed or dropped it"


class Replay:
    """Sends dead letters again: to where they failed, or to the queue `to`. Raises TargetError."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail | None, to: str | None = None) -> None:
        """Without a `trail` it only says what would happen."""
        self._routers = {name: router_to(loaded, to or name) for name in loaded.pipeline.queues}
        self._topology = plan(loaded.pipeline)
        self._account = None if trail is None else Account(loaded, trail)
        self._to = to

    def one(self, on: Shelf, letter: DeadLetter) -> str:
        """Why it stays; empty: it was sent. Raises RunnerError."""
        if letter.queue not in self._routers:
            return f"there is no queue {letter.queue}"
        messages = replayed(letter, self._routers[letter.queue])
        return messages if isinstance(messages, str) else self.send(on, letter, messages)

    def send(self, on: Shelf, letter: DeadLetter, messages: Sequence[Outgoing]) -> str:
        """Send `messages` in its place. Raises RunnerError."""
        if self._account is None:
            return ""
        reached = [
            (message.id, queue, message.headers)
            for message in messages
            for queue in self._topology.queues_of(message.destination)
        ]
        return self._account.settle(on, letter, messages, self._to or letter.queue, reached)


class Drop:
    """Deletes messages for good."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail) -> None:
        self._account = Account(loaded, trail)

    def one(self, on: Shelf, letter: DeadLetter) -> str:
        """Why it stays; empty: it is gone. Raises RunnerError."""
        return self._account.settle(on, letter, ())


class Account:
    """Where deeds are accounted for: the audit trail, and the journey of the message."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail) -> None:
        self._trail = trail
        self._journeys = _journeys(loaded)

    def settle(
        self, on: Shelf, letter: DeadLetter, messages: Sequence[Outgoing], to: str = "", reached: Sequence[Reached] = ()
    ) -> str:
        """Settle it with `messages`. Returns why it stays; empty: it is settled.

        Both are written first: what is sent or gone is always accounted for. Raises RunnerError."""
        self._trail.write(letter, to)
        undo = self._tell(letter, reached)
        try:
            failed = "" if on.settle(letter.shelved, messages) else TAKEN
        except PublishError as error:
            failed = str(error)
        except BaseException as error:
            with suppress(RunnerError):  # the first fault is the one that is told
                self._withdraw(letter, to, str(error) or "it was interrupted", undo)
            raise
        if failed:
            self._withdraw(letter, to, failed, undo)
        return failed

    def _withdraw(self, letter: DeadLetter, to: str, failed: str, undo: Callable[[], None]) -> None:
        self._trail.write(letter, to, failed)
        undo()

    def _tell(self, letter: DeadLetter, reached: Sequence[Reached]) -> Callable[[], None]:
        """The journey. Returns what makes it as it was."""
        if self._journeys is None:
            return lambda: None
        here = (letter.id, letter.queue, letter.shelved.headers)
        if not reached:
            return self._journeys.taken_away(here, self._trail.in_words)
        return self._journeys.sent_again(here, reached, self._trail.in_words)


def _journeys(loaded: LoadedPipeline) -> Interventions | None:
    """A pipeline without a ledger imports nothing of it."""
    pipeline = loaded.pipeline
    if pipeline.ledger is None:
        return None
    from runner.ledger.interventions import Interventions

    consumed = {stage.consume for stage in pipeline.stages.values()}
    return Interventions(pipeline.ledger, leaving=frozenset(pipeline.queues) - consumed)
