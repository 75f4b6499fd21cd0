"""A queue whose arguments have changed, made anew with all that is on it.

RabbitMQ changes no queue's arguments. So its messages go to another queue, it is deleted and made as its
plan says, and they come back, in their order. One is in hand at a time: it is confirmed there before it
leaves here. Whatever ends that, the next attempt goes on from what it finds, and one message may be there twice.

A queue that was renamed goes the half of that way, from its former name, and so do its companions.

Nobody else may use the queue meanwhile: what is published to it between its last look and its end is lost. Other
migrations are kept away by a queue that RabbitMQ gives to one connection at a time: the one that deletes queues.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from typing import Any

from runner.brokers.base import Accounted, unaccounted
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.sending import Sender
from runner.brokers.rabbitmq.arguments import NO_LIMIT, arguments
from runner.brokers.rabbitmq.linking import linked
from runner.brokers.rabbitmq.management import Management
from runner.brokers.rabbitmq.reading import DELIVERY_COUNT, INSTRUCTIONS, header_number
from runner.brokers.rabbitmq.survey import Surveyor
from runner.errors import BrokerSetupError, BrokerUnavailableError
from runner.message import ATTEMPT
from runner.topology import PlannedQueue, Topology, migration_queue
from runner.wording import facts

log = logging.getLogger("runner.broker")

_WAITS = "some retries may be on their way home, where RabbitMQ counts them nowhere: waiting for them, up to %d s"
BETWEEN = {"x-queue-type": "quorum", "x-delivery-limit": NO_LIMIT}
"""The arguments of the queue where they wait: it refuses nothing."""
ON_ITS_WAY, LOOK_AGAIN = 1.0, 0.2
"""Seconds that RabbitMQ has to bring a message whose wait has just ended from one queue to another: on neither
of them it counts it."""
CALM, TOLD_AFTER = 5.0, 15.0
"""Seconds to look for retries where nothing speaks for any, and after which the management plugin knows of them."""
TRIED_AFTER = 200.0
"""Seconds after which RabbitMQ has tried once more to bring home a retry that its queue had refused (180 by default:
dead_letter_worker_publisher_confirm_timeout)."""
_FROM_FIRST_TO_LAST = ("retry", "work", "quarantine", "dead")
"""The order in which messages go from one of these queues to the next."""
AGAIN = "nothing is lost; 'runner apply --migrate' goes on from here"


def migrated(
    urls: Sequence[str],
    name: str,
    topology: Topology,
    goes_on: Callable[[], bool],
    accounted: Accounted = unaccounted,
) -> dict[str, int]:
    """See `registry.Migrations`."""
    with ExitStack() as opened:
        link, other = (opened.enter_context(closing(linked(urls, name))) for _ in range(2))
        migration = _Migration(urls, link, other, goes_on)
        moved = {
            queue.name: migration.migrate(queue, topology, unaccounted if queue.kind == "retry" else accounted)
            for queue in topology.queues
        }
    waits = {queue.name for queue in topology.queues if queue.kind == "retry"}  # parked, and not made anew
    return {name: messages for name, messages in moved.items() if messages is not None and name not in waits}


def renamed(urls: Sequence[str], name: str, topology: Topology, goes_on: Callable[[], bool]) -> dict[str, int]:
    """See `registry.Migrations`."""
    with ExitStack() as opened:
        link, other = (opened.enter_context(closing(linked(urls, name))) for _ in range(2))
        return _Migration(urls, link, other, goes_on).rename(topology)


@contextmanager
def alone(urls: Sequence[str], name: str) -> Iterator[Callable[[], None]]:
    """See `registry.Migrations`."""
    with closing(linked(urls, name)) as link:
        Surveyor(link).keep_others_away(urls)

        def still() -> None:
            link.turn()
            link.wait(lambda: False, 0.0)

        yield still


class _Migration:
    """Reads over one link, and publishes over the other."""

    def __init__(self, urls: Sequence[str], link: Link, other: Link, goes_on: Callable[[], bool]) -> None:
        self._link = link
        self._surveyor = Surveyor(link)
        self._surveyor.keep_others_away(urls)
        self._sender = Sender(other)
        self._goes_on = goes_on
        self._management = Management(urls)
        self._resumed: set[str] = set()
        """The new queues that an earlier attempt has made, or a run."""

    def migrate(self, queue: PlannedQueue, topology: Topology, accounted: Accounted) -> int | None:
        """How many messages are on the new one; None: there was nothing to do. Its retries are parked: they come
        back when it is their turn, which is later."""
        between = migration_queue(queue.name)
        there, parted = self._surveyor.counts(queue.name), self._surveyor.counts(between)
        differs = there is not None and bool(self._surveyor.differences(queue))
        if not differs and parted is None:
            return None
        with accounted(queue.name, sum(counts[0] for counts in (there, parted) if counts is not None)):
            if differs:
                if queue.kind == "work":
                    self._park([one for one in topology.queues if one.kind == "retry" and one.home == queue.name])
                self._surveyor.declare(between, BETWEEN)
                self._empty(queue.name, between, queue, resumed=parted is not None)
                if queue.kind == "retry":
                    self._see_them_home(queue, next(one for one in topology.queues if one.name == queue.home))
                self._surveyor.delete(queue.name)
            self._surveyor.declare(queue.name, arguments(queue))
            moved = self._empty(between, queue.name, queue, resumed=parted is not None)
            self._surveyor.delete(between)
        return moved

    def _park(self, waits: Sequence[PlannedQueue]) -> None:
        """What came back from its wait just when its queue is deleted would be lost with it."""
        there = [queue for queue in waits if self._surveyor.counts(queue.name) is not None]
        for queue in there:
            self._surveyor.declare(migration_queue(queue.name), BETWEEN)
            self._empty(queue.name, migration_queue(queue.name), queue, resumed=False)
        if there:
            time.sleep(ON_ITS_WAY)

    def _see_them_home(self, queue: PlannedQueue, home: PlannedQueue) -> None:
        """The retries of `queue` whose wait is over. Raises BrokerSetupError if some may find no room there."""
        most = self._most(home, home.name)
        if self._await_retries([queue.name], calm=most is None):
            return
        if self._management.undelivered([queue.name]) or self._left(home.name) >= (most or 0):
            raise BrokerSetupError(
                f"retries of {queue.name} may wait for room on {home.name}, which is full: raise its max_length, or "
                f"take messages from it ('runner queue drain'); {AGAIN}"
            )

    def rename(self, topology: Topology) -> dict[str, int]:
        """How many messages of each queue have come from its former name, those of its companions included."""
        there = [queue for queue in topology.queues if queue.was and self._surveyor.counts(queue.was) is not None]
        there.sort(key=lambda queue: _FROM_FIRST_TO_LAST.index(queue.kind))
        moved = dict.fromkeys((queue.home for queue in there), 0)
        calm = self._are_calm(there)
        self._resumed = {queue.name for queue in there if self._surveyor.counts(queue.name) is not None}
        for queue in topology.queues:
            if queue.home in moved:
                self._surveyor.declare(queue.name, arguments(queue))
        while self._take_over(there, moved):
            continue
        waits = [queue.was for queue in there if queue.kind == "retry"]
        self._await_retries(waits, lambda: self._take_over(there, moved), calm=calm)
        for queue in there:
            self._surveyor.delete(queue.was)
        return moved

    def _are_calm(self, there: Sequence[PlannedQueue]) -> bool:
        """Whether no retry has waited on the former queues since an earlier attempt, if there was one, and none can
        have been refused because its queue was full."""
        waits = [queue for queue in there if queue.kind == "retry"]
        if any(self._surveyor.counts(queue.name) is not None or self._left(queue.was) for queue in waits):
            return False
        return not any(self._most(queue, queue.was) for queue in there if queue.kind == "work")

    def _most(self, queue: PlannedQueue, name: str) -> float | None:
        """How many messages the queue of that name takes, which is planned as `queue`; None: any number."""
        there = {one.argument: one.there for one in self._surveyor.differences(replace(queue, name=name))}
        if "type" in there:  # RabbitMQ tells of no other argument
            return math.inf
        most = there.get("x-max-length", str(queue.max_length))
        return float(most) if most.isdecimal() else None

    def _await_retries(self, waits: Sequence[str], more: Callable[[], bool] = lambda: False, *, calm: bool) -> bool:
        """Retries that are due leave their queue only when their home has them, and until then are counted on neither:
        deleted with their queue, they would be lost. `more()`: whether some have come. Returns whether none can be
        left: nothing speaks for any (`calm`), or the management plugin says so."""
        if waits and not calm:
            log.warning(_WAITS, TRIED_AFTER, extra=facts(seconds=TRIED_AFTER))
        since = time.monotonic()
        while waits and (passed := time.monotonic() - since) < (CALM if calm else TRIED_AFTER):
            if passed > TOLD_AFTER and self._management.undelivered(waits) == 0:
                return True
            if self._looks_on() and more():
                since, calm = time.monotonic(), False
            time.sleep(LOOK_AGAIN)
        return calm or not waits

    def _take_over(self, there: Sequence[PlannedQueue], moved: dict[str, int]) -> bool:
        """Empty their former queues, and count that in `moved`. Whether there was anything."""
        found = 0
        for queue in there:
            messages = self._empty(queue.was, queue.name, queue, resumed=queue.name in self._resumed)
            self._resumed.discard(queue.name)
            moved[queue.home] += messages
            found += messages
        return found > 0

    def _empty(self, queue: str, to: str, planned: PlannedQueue, *, resumed: bool) -> int:
        """Move everything that lies there. Returns how many messages that were. `resumed`: an earlier attempt may
        have been killed with the first one in hand, which RabbitMQ counts as if a worker had died."""
        moved = 0
        while self._left(queue):
            reader = Getter(self._link, queue)
            while self._looks_on() and (found := reader.next()) is not None:
                headers = _carried(found, planned, forgiven=int(resumed and not moved))
                reason = self._sender.publish("", to, found.message_id, headers, found.body, found.properties)
                if reason:
                    reader.close()
                    raise BrokerSetupError(f"queue {to} takes no more of its messages: {reason}; {AGAIN}")
                reader.ack(found)
                moved += 1
            reader.close()
        return moved

    def _looks_on(self) -> bool:
        if not self._goes_on():
            raise BrokerUnavailableError(f"stopped; {AGAIN}")
        return True

    def _left(self, queue: str) -> int:
        ready, consumers = self._surveyor.counts(queue) or (0, 0)
        if consumers:
            raise BrokerSetupError(f"somebody consumes {queue}: stop that, and what publishes to it; {AGAIN}")
        return ready


class Getter:
    """Takes the messages of a queue one at a time."""

    def __init__(self, link: Link, queue: str) -> None:
        self._link = link
        self._queue = queue
        self._answers: list[Delivered | None] = []
        self._errors: list[BaseException] = []
        self._reading = link.channel()
        self._reading.on_empty(lambda: self._answered(None))
        self._reading.on_closed(self._errors.append)

    def next(self) -> Delivered | None:
        """None: there is none. Raises BrokerUnavailableError."""
        self._reading.get(self._queue, self._answered)
        self._link.expect(lambda: self._answers or self._errors, "a message")
        if not self._answers:
            raise BrokerUnavailableError(f"{self._queue} can't be read: {self._errors[0]}; {AGAIN}")
        return self._answers.pop()

    def ack(self, found: Delivered) -> None:
        self._reading.ack(found.tag, multiple=False)

    def close(self) -> None:
        """What is in hand goes back."""
        if self._reading.is_open:
            self._reading.close()
            self._link.expect(lambda: self._errors, "the end of a channel")

    def _answered(self, found: Delivered | None) -> None:
        self._answers.append(found)
        self._link.stop()


def _carried(found: Delivered, queue: PlannedQueue, *, forgiven: int) -> dict[str, Any]:
    """The headers that it keeps. The deaths of its workers, which RabbitMQ has counted, become attempts, except
    for those `forgiven`."""
    headers = (found.properties.headers if found.properties is not None else None) or {}
    kept = {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith("x-") and name.lower() not in INSTRUCTIONS
    }
    deaths = header_number(headers, DELIVERY_COUNT) - forgiven if queue.kind in ("work", "quarantine") else 0
    return {**kept, ATTEMPT: header_number(headers, ATTEMPT) + deaths} if deaths > 0 else kept
