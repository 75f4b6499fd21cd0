"""`RabbitBroker`: the contract over RabbitMQ, as any thread may call it.

The modules beside this one do the work, on the connection's own thread.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from runner.brokers.answer import Answer
from runner.brokers.base import ANSWER_TIMEOUT, Asked, Consumer, Depth, Done, GiveUp
from runner.brokers.outstanding import Outstanding
from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.asking import Asking
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.consumers import Consumers
from runner.brokers.rabbitmq.consuming import Subscription
from runner.brokers.rabbitmq.depths import Inquiry
from runner.brokers.rabbitmq.life import Change, Life
from runner.brokers.rabbitmq.recovery import Recovery
from runner.brokers.rabbitmq.repairs import Repairs
from runner.brokers.rabbitmq.settling import Settling
from runner.brokers.rabbitmq.sorting import Sorter
from runner.brokers.rabbitmq.tickets import SubmitTicket
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerAwayError, BrokerSetupError, BrokerUnavailableError
from runner.events import UNWATCHED, Events
from runner.message import Outgoing
from runner.topology import PlannedQueue, Topology

CANCEL_TIMEOUT = 5.0
"""Seconds to wait for the end of a consumer, while its last deliveries come."""
HANG_UP_TIMEOUT = 0.5
"""Seconds that the broker gets to say goodbye, however little time is left."""


def connect(urls: Sequence[str], name: str, events: Events = UNWATCHED) -> RabbitBroker:
    """The broker at `urls`, not started. Raises BrokerSetupError for one that can't be used."""
    return RabbitBroker(urls, name, events)


class RabbitBroker:
    """RabbitMQ, over one connection to one of `urls`; `name` is shown in its lists.

    `connection(nodes, name)` makes that connection. Raises BrokerSetupError for a URL or a
    certificate that can't be used.
    """

    def __init__(
        self,
        urls: Sequence[str],
        name: str,
        events: Events = UNWATCHED,
        *,
        connection: Callable[[Sequence[BrokerNode], str], RobustConnection] = RobustConnection,
    ) -> None:
        try:
            found = list(chain.from_iterable(map(nodes, urls)))
        except ValueError as error:
            raise BrokerSetupError(f"the broker's URL {error}") from None
        self._topology = Topology((), (), ())
        self._life = Life(events)
        self._connection = connection(found, name)
        self._repairs = Repairs(self._connection, self._life, events)
        self._consumers = Consumers(self._repairs.mend, self._connection.later)
        self._settling = Settling(self._connection, self._life, self._consumers, events)
        self._recovery = Recovery(self._connection, self._life, self._repairs, self._settling, self._consumers, events)
        self._outstanding = Outstanding()
        self._silent = False
        """Whether the broker has not answered in time, and not since."""
        self.settle = self._settling.settle  # not a method that calls it: this runs for each message
        self.release = self._settling.release
        self.consuming = self._consumers.consuming

    @property
    def available(self) -> bool:
        return self._life.available

    @property
    def unconfirmed(self) -> int:
        return self._settling.publisher.outstanding

    def start(
        self,
        topology: Topology,
        *,
        timeout: float | None = None,
        declare: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._topology = self._repairs.topology = self._settling.publisher.topology = topology
        self._repairs.declares = declare
        self._life.happened(Change.START)
        recovery = self._recovery
        self._connection.start(loop, opened=recovery.opened, lost=recovery.lost, refused=recovery.refused)
        try:
            if not self._life.first.wait(threading.TIMEOUT_MAX if timeout is None else timeout):
                raise BrokerUnavailableError(f"no broker answers: {self._life.trouble}")
        except (BrokerSetupError, BrokerUnavailableError):
            self.close()
            raise

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = ANSWER_TIMEOUT) -> None:
        if not messages:
            return
        answer = Answer()
        self.submit(messages, answer.give)
        if not answer.wait(timeout):
            raise BrokerUnavailableError(f"the broker has not confirmed within {timeout:g} s")

    def submit(self, messages: Sequence[Outgoing], done: Done) -> GiveUp:
        if not self._life.available:
            raise BrokerAwayError(self._life.blocked or f"the broker is away: {self._life.trouble}")
        ticket = SubmitTicket(messages, self._outstanding.counted(messages, done))
        self._connection.call(self._settling.send, messages, ticket)
        return _nothing

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        planned = next(planned for planned in self._topology.queues if planned.name == queue)
        subscription = Subscription(
            Sorter(planned, waits=bool(self._topology.rungs.get(queue))),
            prefetch,
            consumer,
            move=self._settling.move,
            later=self._connection.call,
            after=self._connection.later,
        )
        self._connection.call(self._consumers.subscribe, subscription)

    def cancel(self, queue: str, *, pausing: str = "") -> None:
        if not self._connection.alive:
            return
        done = threading.Event()

        def answered() -> None:
            self._silent = False
            done.set()

        self._connection.call(self._consumers.cancel, queue, pausing, answered)
        if not self._life.blocked and not self._silent:  # a broker that takes nothing doesn't answer either
            self._silent = not done.wait(CANCEL_TIMEOUT)

    def depths(self, queues: Iterable[str], *, timeout: float = ANSWER_TIMEOUT) -> Mapping[str, Depth]:
        wanted = set(queues)
        planned = [queue for queue in self._topology.queues if queue.home in wanted]
        depths: dict[str, Depth] = {}
        answer = Answer()

        def done(found: Mapping[str, Depth]) -> None:
            depths.update(found)
            answer.give()

        if not self._life.connected:
            raise BrokerUnavailableError(f"the broker is away: {self._life.trouble}")
        self._connection.call(self._inquire, planned, done)
        if not answer.wait(timeout):
            raise BrokerUnavailableError(f"the broker has not answered within {timeout:g} s")
        return depths

    def listen(self, asked: Asked) -> None:
        self._connection.call(self._consumers.listen, asked, self._connection.call)

    def poll(self, question: bytes, heard: Callable[[bytes], None]) -> Callable[[], None]:
        asking = Asking(self._connection, question, heard)
        self._connection.call(asking.ask)
        return asking.stop

    def close(self, *, timeout: float = ANSWER_TIMEOUT) -> None:
        if self._life.ending:
            return
        deadline = time.monotonic() + timeout
        self._life.happened(Change.CLOSE)
        self._life.trouble = "closed by this process"
        if self._life.connected:
            for queue in list(self._consumers.subscriptions):
                self.cancel(queue)
            idle = threading.Event()
            self._connection.call(self._settling.release_everything)
            self._connection.call(self._settling.when_idle, idle.set)
            idle.wait(max(0.0, deadline - time.monotonic()))
        self._connection.stop(max(HANG_UP_TIMEOUT, deadline - time.monotonic()))
        self._life.happened(Change.HUNG_UP)

    def _inquire(self, planned: Sequence[PlannedQueue], done: Callable[[Mapping[str, Depth]], None]) -> None:
        connection = self._connection.current
        if connection is not None:
            Inquiry(connection, planned, later=self._connection.later, done=done)


def _nothing() -> None:
    """What was handed to the connection can't be taken back."""
