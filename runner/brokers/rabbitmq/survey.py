"""What is on RabbitMQ, compared with a topology.

A queue that exists is declared again: RabbitMQ then changes nothing, and says in its refusal (406) which
argument differs first; that is looked past by declaring it as it is there. Left out: which queues the
topology doesn't name (see `management`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.arguments import arguments
from runner.brokers.rabbitmq.declaring import INEQUIVALENT, difference
from runner.brokers.rabbitmq.linking import linked
from runner.brokers.rabbitmq.management import Management
from runner.brokers.survey import Difference, Differing, Kind, Renamed, Survey, Unnamed, renamed
from runner.errors import BrokerSetupError, BrokerUnavailableError
from runner.topology import PlannedBinding, PlannedQueue, Topology, migration_queue

MISSING, LOCKED, DIFFERS = 404, 405, 406
MIGRATING = "runner.migrating"
"""The queue that whoever migrates queues has to itself."""
MOST = 20
"""Arguments that are compared."""


def surveyed(urls: Sequence[str], name: str, topology: Topology) -> Survey:
    """What is there. Raises BrokerError."""
    with closing(linked(urls, name)) as link:
        return Surveyor(link).survey(topology, urls)


def left_behind(urls: Sequence[str], name: str, topology: Topology) -> tuple[Renamed, ...]:
    """See `registry.Surveys`."""
    with closing(linked(urls, name)) as link:
        return renamed(topology, Surveyor(link).counts)


class Surveyor:
    """Asks over `link`. Its methods raise BrokerError."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._asking: Channel | None = None
        self._refusals: list[BaseException] = []

    def survey(self, topology: Topology, urls: Sequence[str]) -> Survey:
        missing: list[tuple[Kind, str]] = []
        differing: list[Differing] = []
        unfinished: list[tuple[str, int]] = []
        for exchange in topology.exchanges:
            if not self._exchange_exists(exchange.name):
                missing.append(("exchange", exchange.name))
            elif found := self._differences_of_exchange(exchange.name, exchange.type):
                differing.append(Differing("exchange", exchange.name, found))
        for queue in topology.queues:
            counts = self.counts(queue.name)
            if counts is None:
                missing.append(("queue", queue.name))
            elif found := self.differences(queue):
                older = queue.kind == "dead" and [one.argument for one in found] == ["x-delivery-limit"]
                differing.append(Differing("queue", queue.name, found, *counts, blocks=not older))
            if (parted := self.counts(migration_queue(queue.name))) is not None:
                unfinished.append((queue.name, parted[0]))
        management, former = Management(urls), renamed(topology, self.counts)
        try:
            unnamed, bindings = self._unnamed(topology, management.queue_names()), management.bindings()
        except BrokerUnavailableError as error:
            unmade = _unmade(topology, missing)
            return Survey((*missing, *unmade), tuple(differing), tuple(unfinished), former, unlisted=str(error))
        unmade = [("binding", str(one)) for one in topology.bindings if one not in bindings]
        ours = {queue.name for queue in topology.queues}
        left = tuple(one for one in bindings if one.queue in ours and one not in topology.bindings)
        return Survey((*missing, *unmade), tuple(differing), tuple(unfinished), former, unnamed, left)

    def counts(self, queue: str) -> tuple[int, int] | None:
        """How many messages are ready on a queue, and its consumers; None: there is no such queue."""
        counts: list[tuple[int, int]] = []

        def counted(ready: int, consumers: int) -> None:
            counts.append((ready, consumers))
            self._link.stop()

        refusal = self._ask(lambda channel: channel.look_at_queue(queue, counted), counts)
        if refusal is None:
            return counts[0]
        if refusal[0] == MISSING:
            return None
        raise BrokerSetupError(f"queue {queue} can't be looked at: {refusal[1]}")

    def differences(self, queue: PlannedQueue) -> tuple[Difference, ...]:
        """The arguments of a queue that exists, as far as they are not those of its plan."""
        return tuple(self._differences(queue.name, arguments(queue)))

    def declare(self, queue: str, given: Mapping[str, Any]) -> None:
        if refusal := self._declared(queue, given):
            raise BrokerSetupError(f"queue {queue} can't be made: {refusal[1]}")

    def delete(self, queue: str) -> None:
        """With whatever is on it."""
        done: list[bool] = []
        if refusal := self._ask(lambda channel: channel.delete_queue(queue, self._noting(done)), done):
            raise BrokerSetupError(f"queue {queue} can't be deleted: {refusal[1]}")

    def keep_others_away(self, urls: Sequence[str]) -> None:
        """While this connection lasts, nobody else may migrate queues at `urls`."""
        done: list[bool] = []
        refusal = self._ask(lambda channel: channel.declare_queue_of_mine(MIGRATING, self._noting(done)), done)
        if refusal is not None and refusal[0] == LOCKED:
            who = (
                Management(urls).owner(MIGRATING) or f"somebody else (RabbitMQ lists {MIGRATING} with that connection)"
            )
            raise BrokerSetupError(f"{who} is at work on these queues; wait until that has ended, or stop it")
        if refusal is not None:
            raise BrokerSetupError(f"queue {MIGRATING} can't be made: {refusal[1]}")

    # -- one question at a time

    def _ask(self, question: Callable[[Channel], None], answers: Sequence[object]) -> tuple[int, str] | None:
        """Put it, and wait until `answers` has something. Returns a refusal, which has closed the channel."""
        if self._asking is None:
            self._refusals.clear()
            self._asking = self._link.channel()
            self._asking.on_closed(self._refusals.append)
        question(self._asking)
        self._link.expect(lambda: answers or self._refusals, "what is on the broker")
        if answers:
            return None
        self._asking = None
        told = closed_by_broker(self._refusals[0])
        if told is None:
            raise BrokerUnavailableError(f"the connection is lost: {self._refusals[0]}")
        return told

    def _noting(self, done: list[bool]) -> Callable[[], None]:
        def note() -> None:
            done.append(True)
            self._link.stop()

        return note

    def _declared(self, queue: str, given: Mapping[str, Any]) -> tuple[int, str] | None:
        done: list[bool] = []
        return self._ask(lambda channel: channel.declare_queue(queue, given, self._noting(done)), done)

    def _exchange_exists(self, name: str) -> bool:
        done: list[bool] = []
        refusal = self._ask(lambda channel: channel.look_at_exchange(name, self._noting(done)), done)
        if refusal is not None and refusal[0] != MISSING:
            raise BrokerSetupError(f"exchange {name} can't be looked at: {refusal[1]}")
        return refusal is None

    def _differences_of_exchange(self, name: str, type: Any) -> tuple[Difference, ...]:
        done: list[bool] = []
        refusal = self._ask(lambda channel: channel.declare_exchange(name, type, self._noting(done)), done)
        return () if refusal is None else (Difference(*_named(refusal, "exchange", name)[1]),)

    def _differences(self, queue: str, planned: Mapping[str, Any]) -> Iterator[Difference]:
        given = dict(planned)
        for _ in range(MOST):
            refusal = self._declared(queue, given)
            if refusal is None:
                return
            argument, (shown, theirs, ours) = _named(refusal, "queue", queue)
            yield Difference(shown, theirs, ours)
            if not argument.startswith("x-") or shown == "type":  # all others follow from that
                return
            given.pop(argument, None)
            if theirs != "none":
                given[argument] = int(theirs) if re.fullmatch(r"-?[0-9]+", theirs) else theirs

    def _unnamed(self, topology: Topology, there: Sequence[str]) -> tuple[Unnamed, ...]:
        planned = [queue.name for queue in topology.queues]
        named = {*planned, *map(migration_queue, planned), *(queue.was for queue in topology.queues)}
        found = [(one, self.counts(one)) for one in sorted(there) if one not in named]
        return tuple(Unnamed(one, *counts) for one, counts in found if counts is not None)


def _unmade(topology: Topology, missing: Sequence[tuple[Kind, str]]) -> list[tuple[Kind, str]]:
    """The bindings that can't be there, because their queue or exchange isn't."""
    ends: list[tuple[PlannedBinding, tuple[Kind, str], tuple[Kind, str]]] = [
        (one, ("exchange", one.exchange), ("queue", one.queue)) for one in topology.bindings
    ]
    return [("binding", str(one)) for one, *both in ends if any(end in missing for end in both)]


def _named(refusal: tuple[int, str], kind: str, name: str) -> tuple[str, tuple[str, str, str]]:
    """The argument that differs; and it in words, there, and here."""
    match = INEQUIVALENT.search(refusal[1])
    if refusal[0] != DIFFERS or match is None:
        raise BrokerSetupError(f"{kind} {name} can't be compared: {refusal[1]}")
    argument, ours, theirs = difference(match)
    return match["argument"], (argument, theirs, ours)
