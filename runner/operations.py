"""What an operator does to dead letters while the pipeline runs: finds, replays and drops them.

The command line and the console do it by the same functions. Every deed is written down before it is
done: in the audit trail, and in the message's journey. Left out: what a dead letter is (see
`deadletters`), and how it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.audit import INTERRUPTED, Trail
from runner.brokers.base import Shelf
from runner.brokers.registry import shelf
from runner.config.loader import LoadedPipeline
from runner.deadletters import DeadLetter, Filter, read
from runner.errors import PublishError, RunnerError, TakenError
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
PILE_BYTES = 4 << 20
"""Of bodies that are dealt with together; one may exceed it."""


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
    """That all of them are in the file. Raises TargetError."""
    known = loaded.pipeline.queues
    for name in queues:
        if name not in known:
            raise TargetError(f"there is no queue '{name}'{did_you_mean(name, known)}; known: {', '.join(known)}")


def found(
    loaded: LoadedPipeline, queues: Sequence[str], which: Filter, goes_on: Callable[[], bool] = lambda: True
) -> Generator[tuple[Shelf, DeadLetter]]:
    """Each dead letter that is meant, with the shelf on which it lies. `goes_on()` is asked before each one
    that lies there; False ends it. Raises RunnerError."""
    with closing(piles(loaded, queues, which, goes_on, 1)) as found:
        for on, [letter] in found:
            yield on, letter


def piles(
    loaded: LoadedPipeline, queues: Sequence[str], which: Filter, goes_on: Callable[[], bool], most: int | None = None
) -> Generator[tuple[Shelf, Sequence[DeadLetter]]]:
    """The same in piles: of as many as their broker settles together, but not more than `most`. When `goes_on()` ends
    it, those that it hasn't handed out yet are left out."""
    check_queues(loaded, queues)
    for name in queues or loaded.pipeline.queues:
        with shelf(loaded.pipeline, "dead", dead_letter_queue(name)) as on:
            if not (yield from piled(on, (read(name, shelved) for shelved in on.look()), which, goes_on, most)):
                return


def piled(
    on: Shelf, letters: Iterable[DeadLetter], which: Filter, goes_on: Callable[[], bool], most: int | None
) -> Generator[tuple[Shelf, Sequence[DeadLetter]], None, bool]:
    """Those of the shelf `on` that are meant, in piles. Returns whether it goes on."""
    pile = Pile(on.at_once if most is None else min(most, on.at_once))
    for letter in letters:
        if not goes_on():
            return False
        if which.takes(letter) and pile.grows(letter):
            yield on, pile.taken()
    if pile.letters:
        yield on, pile.taken()
    return True


class Pile:
    """Dead letters that are dealt with together: up to `most`, and few of large ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self.letters: list[DeadLetter] = []

    def grows(self, letter: DeadLetter) -> bool:
        """With `letter`. Returns whether it is full."""
        self.letters.append(letter)
        self._size += len(letter.shelved.payload)
        return len(self.letters) >= self._most or self._size >= PILE_BYTES

    def taken(self) -> Sequence[DeadLetter]:
        """Begin another one."""
        letters, self.letters, self._size = self.letters, [], 0
        return letters


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

    def close(self) -> None:
        if self._account is not None:
            self._account.close()

    def one(self, on: Shelf, letter: DeadLetter) -> str:
        """Why it stays; empty: it was sent. Raises RunnerError."""
        return self.all(on, [letter])[0]

    def all(self, on: Shelf, letters: Sequence[DeadLetter]) -> Sequence[str]:
        """The same of each. Raises RunnerError."""
        stays, deeds = dict[int, str](), dict[int, Deed]()
        for number, letter in enumerate(letters):
            router = self._routers.get(letter.queue)
            messages = f"there is no queue {letter.queue}" if router is None else replayed(letter, router)
            if isinstance(messages, str):
                stays[number] = messages
            else:
                deeds[number] = self._deed(letter, messages)
        ended = ("" for _ in deeds) if self._account is None else self._account.settle(on, list(deeds.values()))
        stays |= zip(deeds, ended, strict=True)
        return [stays[number] for number in range(len(letters))]

    def send(self, on: Shelf, letter: DeadLetter, messages: Sequence[Outgoing]) -> str:
        """Send `messages` in its place. Raises RunnerError."""
        return "" if self._account is None else self._account.settle(on, [self._deed(letter, messages)])[0]

    def _deed(self, letter: DeadLetter, messages: Sequence[Outgoing]) -> Deed:
        reached = [
            (message.id, queue, message.headers)
            for message in messages
            for queue in self._topology.queues_of(message.destination)
        ]
        return Deed(letter, messages, self._to or letter.queue, reached)


class Drop:
    """Deletes messages for good."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail) -> None:
        self._account = Account(loaded, trail)

    def close(self) -> None:
        self._account.close()

    def one(self, on: Shelf, letter: DeadLetter) -> str:
        """Why it stays; empty: it is gone. Raises RunnerError."""
        return self.all(on, [letter])[0]

    def all(self, on: Shelf, letters: Sequence[DeadLetter]) -> Sequence[str]:
        """The same of each. Raises RunnerError."""
        return self._account.settle(on, [Deed(letter) for letter in letters])


class Deed(NamedTuple):
    """What is done to a dead letter: `messages` are published in its place."""

    letter: DeadLetter
    messages: Sequence[Outgoing] = ()
    to: str = ""
    reached: Sequence[Reached] = ()


class Account:
    """Where deeds are accounted for: the audit trail, and the journey of the message."""

    def __init__(self, loaded: LoadedPipeline, trail: Trail) -> None:
        self._trail = trail
        self._journeys = _journeys(loaded)

    def close(self) -> None:
        if self._journeys is not None:
            self._journeys.close()

    def settle(self, on: Shelf, deeds: Sequence[Deed]) -> Sequence[str]:
        """Settle each with its messages. Returns why it stays; empty: it is settled.

        Both are written first: what is sent or gone is always accounted for. Raises RunnerError."""
        for deed in deeds:
            self._trail.write(deed.letter, deed.to)
        undos: Sequence[Callable[[], None]] = [_nothing for _ in deeds]
        interrupted = "it was interrupted before it was begun"
        try:
            undos = self._tell(deeds)
            interrupted = INTERRUPTED
            errors = on.settle_all([(deed.letter.shelved, deed.messages) for deed in deeds])
        except BaseException as error:
            with suppress(RunnerError):  # the first fault is the one that is told
                self._withdraw(deeds, [str(error) or interrupted] * len(deeds), undos)
            raise
        stays = ["" if error is None else str(error) for error in errors]
        lost = next((error for error in errors if not isinstance(error, PublishError | TakenError | None)), None)
        with suppress(*([] if lost is None else [RunnerError])):
            self._withdraw(deeds, stays, undos)
        if lost is not None:
            raise lost
        return stays

    def _withdraw(self, deeds: Sequence[Deed], stays: Sequence[str], undos: Sequence[Callable[[], None]]) -> None:
        for deed, failed, undo in zip(deeds, stays, undos, strict=True):
            if failed:
                self._trail.write(deed.letter, deed.to, failed)
                undo()

    def _tell(self, deeds: Sequence[Deed]) -> Sequence[Callable[[], None]]:
        """The journeys. Returns what makes each as it was."""
        if self._journeys is None:
            return [_nothing for _ in deeds]
        heres = [(deed.letter.id, deed.letter.queue, deed.letter.shelved.headers) for deed in deeds]
        changes = [(here, deed.reached) for here, deed in zip(heres, deeds, strict=True)]
        return self._journeys.sent_or_gone(changes, self._trail.in_words)


def _nothing() -> None: ...


def _journeys(loaded: LoadedPipeline) -> Interventions | None:
    """A pipeline without a ledger imports nothing of it."""
    pipeline = loaded.pipeline
    if pipeline.ledger is None:
        return None
    from runner.ledger.interventions import Interventions

    consumed = {stage.consume for stage in pipeline.stages.values()}
    return Interventions(pipeline.ledger, leaving=frozenset(pipeline.queues) - consumed)
