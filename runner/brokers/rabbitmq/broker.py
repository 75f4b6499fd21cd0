"""The broker contract over RabbitMQ: puts the connection, the publisher and the consumers together.

Public methods may be called from any thread; everything below the line "on the
I/O thread" runs there alone, so nothing in this package needs a lock.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from pika.channel import Channel

from runner.brokers.base import Consumer, Depth, Done, GiveUp
from runner.brokers.rabbitmq.connection import Connection, explain
from runner.brokers.rabbitmq.consuming import DEATHS, ChannelSession, Subscription
from runner.brokers.rabbitmq.declaring import declare
from runner.brokers.rabbitmq.nodes import parameters
from runner.brokers.rabbitmq.publishing import Publisher, SubmitTicket, Ticket
from runner.brokers.rabbitmq.quarantine import QuarantineReader
from runner.brokers.rabbitmq.status import Inquiry, answer_roll_calls
from runner.brokers.rabbitmq.wire import Wire
from runner.brokers.waiting import Answer
from runner.errors import BrokerAwayError, BrokerSetupError, BrokerUnavailableError, PublishError
from runner.message import ATTEMPT, Delivery, Destination, Outgoing
from runner.topology import Topology, quarantine_queue

log = logging.getLogger("runner.broker")

REPAIR_DELAY = 1.0
"""Seconds between noticing that a queue or a channel is gone and putting it back."""
REFUSED_DELAY = 5.0
"""Seconds between attempts to declare what the broker refused."""
PUBLISH_AGAIN = 5
"""How often what comes of a delivery is published again because the channel was closed under it."""
CANCEL_TIMEOUT = 5.0
"""Seconds that the end of a consumer is waited for, in which its last deliveries come."""
GAP_DELAY = 0.02
"""Seconds that acks behind a slow message wait for it, before they leave singly."""


class SettleTicket:
    """Acks a delivery once all that comes of it is confirmed; else tells its consumer.

    What was lost with its channel (somebody else's publish had closed it, and the
    connection is well) is nobody's failure: it is published again.
    """

    __slots__ = ("_again", "_broker", "_delivery", "_failed", "_lost", "_pending", "_refused")

    def __init__(
        self,
        broker: RabbitBroker,
        delivery: Delivery,
        pending: int,
        failed: Callable[[Delivery, PublishError], None],
        again: int = PUBLISH_AGAIN,
    ) -> None:
        _session(delivery).leaving.add(delivery)
        self._broker = broker
        self._delivery = delivery
        self._pending = pending
        self._failed = failed
        self._again = again
        self._lost: list[Outgoing] = []
        self._refused: list[tuple[Outgoing, str]] = []

    def confirmed(self) -> None:
        self._pending -= 1
        if self._pending:
            return
        if not self._refused and not self._lost:
            _session(self._delivery).leaving.discard(self._delivery)
            self._broker.ack([self._delivery])
            return
        session = _session(self._delivery)
        if not session.open:
            return  # it simply comes again
        if not self._refused:
            self._broker.settle_again(self._delivery, self._lost, self._failed, self._again - 1)
            return
        session.leaving.discard(self._delivery)
        self._failed(self._delivery, PublishError(self._refused))

    def refused(self, message: Outgoing, reason: str) -> None:
        self._refused.append((message, reason))
        self.confirmed()

    def lost(self, message: Outgoing, reason: str) -> None:
        if self._again:
            self._lost.append(message)
            self.confirmed()
        else:  # it may be this very message that closes the channel each time
            self.refused(message, reason)


class RabbitBroker:
    """RabbitMQ, by one connection to one of `urls`; `name` is shown in its lists."""

    def __init__(self, urls: Sequence[str], name: str) -> None:
        self._connection = Connection(
            parameters(urls, name), opened=self._opened, lost=self._lost, refused=self._refuse
        )
        self._topology = Topology((), (), ())
        self._publisher = self._new_publisher()
        self._subscriptions: dict[str, Subscription] = {}
        self._pika: Wire | None = None
        self._up = False
        self._blocked = ""
        self._silent = False
        """Whether the broker has not answered in time, and not since."""
        self._started = False
        self._declares = True
        self._closing = False
        self._answering = False
        self._repairing = False
        self._settled = threading.Event()
        """Set when the first start has come to an end, good or bad."""
        self._refusal = ""
        self._reason = "not connected yet"
        self._declared: list[Callable[[], None]] = []
        self._settlements: deque[tuple[Delivery, Sequence[Outgoing]]] = deque()
        self._settling = False
        """Whether `_settle_all` is about to be called."""
        self._for_channel: list[Callable[[], None]] = []
        """What is to be done once there is a publishing channel again."""
        self._unflushed: set[ChannelSession] = set()
        self._moved = False
        self._quarantines = QuarantineReader(self._subscriptions.values, self._connection.later)

    # -- the contract -------------------------------------------------------------------

    @property
    def available(self) -> bool:
        return self._up and not self._blocked and self._publisher.channel is not None

    def start(
        self,
        topology: Topology,
        *,
        timeout: float | None = None,
        declare: bool = True,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._topology = topology
        self._declares = declare
        self._publisher = self._new_publisher()
        self._connection.start(loop)
        settled = self._settled.wait(timeout)
        if settled and not self._refusal:
            self._started = True  # if it has gone away again by now, it will be connected to again
            return
        self.close()
        if self._refusal:
            raise BrokerSetupError(self._refusal)
        raise BrokerUnavailableError(f"no broker answers: {self._reason}")

    def publish(self, messages: Sequence[Outgoing], *, timeout: float = 5.0) -> None:
        if not messages:
            return
        answer = Answer()
        self.submit(messages, answer.give)
        if not answer.wait(timeout):
            raise BrokerUnavailableError(f"the broker has not confirmed within {timeout:g} s")

    def submit(self, messages: Sequence[Outgoing], done: Done) -> GiveUp:
        if not self.available:
            raise BrokerAwayError(self._blocked or f"the broker is away: {self._reason}")
        self._connection.call(self._send, messages, SubmitTicket(messages, done))
        return _nothing

    def consume(self, queue: str, prefetch: int, consumer: Consumer) -> None:
        planned = next(planned for planned in self._topology.queues if planned.name == queue)
        subscription = Subscription(
            planned,
            quarantine_queue(queue),
            prefetch,
            consumer,
            waits=bool(self._topology.rungs.get(queue)),
            move=self._move,
            later=self._connection.call,
        )
        self._connection.call(self._subscribe, subscription)

    def cancel(self, queue: str) -> None:
        if not self._connection.alive:
            return
        done = threading.Event()

        def answered() -> None:
            self._silent = False
            done.set()

        self._connection.call(self._cancel, queue, answered)
        if not self._blocked and not self._silent:  # a broker that takes nothing doesn't answer either
            self._silent = not done.wait(CANCEL_TIMEOUT)

    def consuming(self, queue: str) -> bool:
        subscription = self._subscriptions.get(queue)
        return subscription is not None and subscription.registered

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        self._settlements.append((delivery, messages))
        if not self._settling:
            self._settling = True
            self._connection.call(self._settle_all)

    def release(self, deliveries: Iterable[Delivery]) -> None:
        self._connection.call(self._release, list(deliveries))

    def depths(self, queues: Iterable[str], *, timeout: float = 5.0) -> Mapping[str, Depth]:
        wanted = set(queues)
        planned = [queue for queue in self._topology.queues if queue.home in wanted]
        answer: list[Mapping[str, Depth]] = []
        answered = threading.Event()

        def done(depths: Mapping[str, Depth]) -> None:
            answer.append(depths)
            answered.set()

        if not self._up:
            raise BrokerUnavailableError(f"the broker is away: {self._reason}")
        self._connection.call(self._inquire, planned, done)
        if not answered.wait(timeout):
            raise BrokerUnavailableError(f"the broker has not answered within {timeout:g} s")
        return answer[0]

    def close(self, *, timeout: float = 5.0) -> None:
        if self._closing:
            return
        deadline = time.monotonic() + timeout
        self._closing = True
        if self._up:
            for queue in list(self._subscriptions):
                self.cancel(queue)
            idle = threading.Event()
            self._connection.call(self._release_everything)
            self._connection.call(self._when_idle, idle.set)
            idle.wait(max(0.0, deadline - time.monotonic()))
        self._connection.stop(max(0.5, deadline - time.monotonic()))

    def _new_publisher(self) -> Publisher:
        return Publisher(self._topology, confirmed=self.ack, ticket=self._ticket, unroutable=self._on_unroutable)

    # -- on the I/O thread: the connection's life -------------------------------------------

    def _opened(self, connection: Wire) -> None:
        self._pika = connection
        connection.add_on_connection_blocked_callback(self._on_blocked)
        connection.add_on_connection_unblocked_callback(self._on_unblocked)
        self._declare(self._open_channels)

    def _open_channels(self) -> None:
        """The publishing channel first: what is delivered has to be able to leave."""
        assert self._pika is not None
        self._pika.channel(on_open_callback=self._publish_on)

    def _publish_on(self, channel: Channel) -> None:
        channel.add_on_close_callback(self._publishing_closed)
        self._publisher.attach(channel)
        waiting, self._for_channel = self._for_channel, []
        for send in waiting:
            send()
        if self._up:
            return
        for subscription in self._subscriptions.values():
            self._consume(subscription)
        self._up = True
        self._reason = ""
        if self._started:
            log.info("connected to %s again", self._connection.node)
        self._settled.set()

    def _lost(self, reason: str) -> None:
        if self._up and not self._closing:
            log.warning("the connection to the broker is lost: %s; connecting again", reason)
        elif not self._closing and not self._refusal and reason != self._reason:
            log.warning("waiting for the broker: %s", reason)
        self._up = False
        self._answering = self._repairing = False
        self._blocked = ""
        self._reason = reason
        self._pika = None
        self._declared.clear()
        self._for_channel.clear()
        self._unflushed.clear()
        self._quarantines.detach()
        for subscription in self._subscriptions.values():
            subscription.detach()
        self._publisher.detach(
            f"the connection was lost before the broker confirmed; the message may have been stored ({reason})"
        )

    def _refuse(self, reason: str) -> None:
        """Before the first start this ends it; later it may be mended while we wait."""
        if self._started:
            log.error("the broker refuses: %s", reason)
            return
        self._refusal = reason
        self._settled.set()

    def _on_blocked(self, _connection: object, frame: Any) -> None:
        self._blocked = f"the broker takes no messages now: {frame.method.reason}"
        log.warning("%s", self._blocked)

    def _on_unblocked(self, _connection: object, _frame: object) -> None:
        self._blocked = ""
        log.info("the broker takes messages again")

    def _declare(self, then: Callable[[], None]) -> None:
        """Declare the topology, once for all who ask while it is under way."""
        if not self._declares:
            then()
            return
        self._declared.append(then)
        if len(self._declared) == 1 and self._pika is not None:
            declare(self._pika, self._topology, done=self._on_declared, failed=self._on_declare_failed)

    def _on_declared(self) -> None:
        waiting, self._declared = self._declared, []
        for then in waiting:
            then()

    def _on_declare_failed(self, reason: str, final: bool) -> None:
        self._declared.clear()
        if final:
            self._refuse(reason)
        else:
            log.warning("%s; trying again", reason)
        connection = self._pika

        def restart() -> None:
            if self._pika is connection and not self._closing:
                self._connection.restart("the topology is incomplete")

        self._connection.later(REFUSED_DELAY, restart)

    # -- on the I/O thread: publishing and settling --------------------------------------------

    def _publishing_closed(self, channel: Channel, error: BaseException) -> None:
        """An exchange that doesn't exist closes the channel (404): put it back, and go on."""
        if channel is not self._publisher.channel:
            return
        self._publisher.detach(f"the channel was closed: {explain(error)}")
        self._mend(f"the publishing channel was closed: {explain(error)}", self._open_channels)

    def _on_unroutable(self) -> None:
        if not self._repairing:
            self._repairing = True
            self._mend("a queue or a binding is gone from the broker", self._repaired)

    def _repaired(self) -> None:
        self._repairing = False

    def _repair(self, then: Callable[[], None]) -> None:
        """Declare again a little later, for something is missing on the broker."""
        connection = self._pika

        def repair() -> None:
            if connection is not None and self._pika is connection and connection.is_open:
                self._declare(then)

        # At once where we are closing: what is in hand can only leave by that channel.
        self._connection.later(0 if self._closing else REPAIR_DELAY, repair)

    def _send(self, messages: Sequence[Outgoing], ticket: Ticket) -> None:
        for message in messages:
            self._publisher.send(message, ticket)

    def _settle_all(self) -> None:
        self._settling = False  # before the first: what is settled from here on has us called again
        settlements, send = self._settlements, self._publisher.send
        nothing_to_publish = []
        while settlements:
            delivery, messages = settlements.popleft()
            if not delivery.session.open:
                continue
            if len(messages) == 1:
                send(messages[0], delivery)
            elif messages:
                self._send(messages, self._ticket(delivery, len(messages)))
            else:
                nothing_to_publish.append(delivery)
        self.ack(nothing_to_publish)

    def _ticket(self, delivery: Delivery, messages: int = 1) -> SettleTicket:
        return SettleTicket(self, delivery, messages, self._subscriptions[delivery.queue].consumer.settle_failed)

    def settle_again(
        self,
        delivery: Delivery,
        messages: Sequence[Outgoing],
        failed: Callable[[Delivery, PublishError], None],
        again: int,
    ) -> None:
        """Once the channel is back, however long that takes."""

        def send() -> None:
            if delivery.session.open:
                self._send(messages, SettleTicket(self, delivery, len(messages), failed, again))

        self._for_channel.append(send)

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Let their acks leave, soon: all that comes of them is confirmed."""
        # Ack last: a crash before this line repeats the work, never loses it.
        session: ChannelSession | None = None
        for delivery in deliveries:
            if session is None or delivery.session is not session:
                session = _session(delivery)
                if not self._unflushed:
                    self._connection.call(self._flush)
                self._unflushed.add(session)
            session.settled(delivery.tag)

    def _flush(self) -> None:
        """Let the acks leave that have come together."""
        sessions, self._unflushed = self._unflushed, set()
        for session in sessions:
            if session.flush() and not session.singly_soon:
                session.singly_soon = True
                self._connection.later(GAP_DELAY, session.flush_singly)
        if self._moved or self._quarantines.session in sessions:
            self._moved = False
            self._quarantines.look()

    def _move(self, delivery: Delivery, message: Outgoing) -> None:
        self._moved = True
        subscription = self._subscriptions[delivery.queue]
        ticket = SettleTicket(self, delivery, 1, lambda delivery, _error: subscription.arrive(delivery))
        self._publisher.send(message, ticket)

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        """To the end of the queue it was taken from, with its count as it was: every other
        way back counts as an attempt on a quorum queue (before RabbitMQ 4.3 even a nack)."""
        for delivery in deliveries:
            session = _session(delivery)
            if session.open and delivery.tag in session.in_hand and delivery not in session.leaving:
                session.leaving.add(delivery)  # else its consumer, which gets it late, gives it back once more
                headers = {**delivery.headers, ATTEMPT: delivery.attempt - 1}
                home = Destination("", delivery.queue)
                if delivery.session is self._quarantines.session:
                    headers[DEATHS] = delivery.deaths
                    home = Destination("", quarantine_queue(delivery.queue))
                message = Outgoing(home, delivery.id, delivery.payload, headers, origin=delivery)
                # Where even that is refused (a full queue) its consumer has it settled so later.
                self._publisher.send(message, delivery)

    def _sessions(self) -> list[ChannelSession]:
        sessions = [self._quarantines.session, *(s.session for s in self._subscriptions.values())]
        return [session for session in sessions if session is not None]

    def _release_everything(self) -> None:
        settling = self._publisher.settling()
        for session in self._sessions():
            self._release([held for held in session.in_hand.values() if held not in settling | session.leaving])

    def _when_idle(self, done: Callable[[], None]) -> None:
        """Call `done` once nothing is outstanding and every ack has been written."""
        if self._up and (self._publisher.outstanding or self._unflushed or self._for_channel):
            self._connection.later(0.005, lambda: self._when_idle(done))
            return
        for session in self._sessions():
            session.flush_singly()
        done()

    # -- on the I/O thread: consuming ------------------------------------------------------------

    def _subscribe(self, subscription: Subscription) -> None:
        earlier = self._subscriptions.get(subscription.queue)
        if earlier is None:
            self._subscriptions[subscription.queue] = subscription
            if self._up:
                self._consume(subscription)
            return
        earlier.resume(subscription)
        if self._up:
            self._consume(earlier)

    def _consume(self, subscription: Subscription) -> None:
        """On the channel that it has been consumed on before, where that is still open: what
        was delivered there can then still be settled. Else on a new one. May be called
        again at any time: there is never more than one channel, and one consumer on it."""
        if self._pika is None or not self._pika.is_open or subscription.cancelled or subscription.opening:
            return
        if not self._answering:
            self._answering = True
            answer_roll_calls(self._pika, self._in_hand)
            self._pika.channel(on_open_callback=self._read_quarantines_on)
        if subscription.session is not None:
            subscription.attach(subscription.session.channel)
            return

        def begin(channel: Channel) -> None:
            subscription.opening = False
            if subscription.cancelled:
                channel.close()
                return
            channel.add_on_close_callback(closed)
            channel.add_on_cancel_callback(cancelled)
            subscription.attach(channel)

        def closed(_channel: Channel, error: BaseException) -> None:
            subscription.detach()
            self._mend(f"the consumer of {subscription.queue} was closed: {explain(error)}", again)

        def cancelled(_frame: object) -> None:
            subscription.lose_consumer()
            self._mend(f"the broker has cancelled the consumer of {subscription.queue} (deleted?)", again)

        def again() -> None:
            self._consume(subscription)

        subscription.opening = True
        self._pika.channel(on_open_callback=begin)

    def _read_quarantines_on(self, channel: Channel) -> None:
        def closed(_channel: Channel, error: BaseException) -> None:
            self._quarantines.detach()
            self._mend(f"the channel of the quarantines was closed: {explain(error)}", again)

        def again() -> None:
            if self._pika is not None:
                self._pika.channel(on_open_callback=self._read_quarantines_on)

        channel.add_on_close_callback(closed)
        self._quarantines.attach(channel)

    def _mend(self, what: str, then: Callable[[], None]) -> None:
        """Something is gone though the connection is not: declare again, and go on."""
        if self._pika is not None and self._pika.is_open:
            log.warning("%s; declaring again", what)
            self._repair(then)

    def _cancel(self, queue: str, done: Callable[[], None]) -> None:
        subscription = self._subscriptions.get(queue)
        if subscription is None:
            done()
        else:
            subscription.cancel(done)

    def _in_hand(self) -> Mapping[str, int]:
        held = Counter(delivery.queue for session in self._sessions() for delivery in session.in_hand.values())
        return {queue: held[queue] for queue, s in self._subscriptions.items() if s.registered}

    def _inquire(self, planned: Sequence[Any], done: Callable[[Mapping[str, Depth]], None]) -> None:
        if self._pika is not None and self._pika.is_open:
            Inquiry(self._pika, planned, later=self._connection.later, done=done)


def _session(delivery: Delivery) -> ChannelSession:
    session = delivery.session
    assert isinstance(session, ChannelSession)
    return session


def _nothing() -> None:
    """What was handed to the connection is as good as sent."""
