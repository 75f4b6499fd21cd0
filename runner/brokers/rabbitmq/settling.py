"""Settling: publish the results of a delivery, and ack it when all of them are confirmed.

Only `settle` and `release` may be called from any thread; the rest runs on the I/O thread.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence

from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.consumers import Consumers
from runner.brokers.rabbitmq.life import Life
from runner.brokers.rabbitmq.publishing import Publisher
from runner.brokers.rabbitmq.reading import DEATHS, Moved, kept
from runner.brokers.rabbitmq.session import ChannelSession, session_of
from runner.brokers.rabbitmq.tickets import Failed, SettleTicket, Ticket
from runner.events import Events
from runner.message import Delivery, Destination, Outgoing
from runner.topology import quarantine_queue

GAP_DELAY = 0.02
"""Seconds that acks wait for a slow message before them; then they leave one by one."""
IDLE_POLL = 0.005
"""Seconds between checks for what is still outstanding at the end."""


class Settling:
    """Settles, moves and releases what `consumers` have in hand."""

    def __init__(self, connection: RobustConnection, life: Life, consumers: Consumers, events: Events) -> None:
        self.publisher = Publisher(confirmed=self.ack, ticket=self._ticket, events=events)
        self._published = events.published
        self._connection = connection
        self._life = life
        self._consumers = consumers
        self._settlements: deque[tuple[Delivery, Sequence[Outgoing]]] = deque()
        self._called = False
        """Whether `_settle_all` is about to be called."""
        self._for_channel: list[Callable[[], None]] = []
        """What to send once there is a publishing channel again."""
        self._unflushed: set[ChannelSession] = set()
        self._moved = False

    # -- from any thread ----------------------------------------------------------------

    def settle(self, delivery: Delivery, messages: Sequence[Outgoing]) -> None:
        """As `Broker.settle`."""
        self._settlements.append((delivery, messages))
        if not self._called:
            self._called = True
            self._connection.call(self._settle_all)

    def release(self, deliveries: Iterable[Delivery]) -> None:
        """As `Broker.release`."""
        self._connection.call(self._release, list(deliveries))

    # -- publishing what comes of a delivery --------------------------------------------

    def _settle_all(self) -> None:
        self._called = False  # before the first: a settlement from here on calls us again
        settlements, send = self._settlements, self.publisher.send
        published: list[Outgoing] | None = None if self._published is None else []
        nothing_to_publish = []
        while settlements:
            delivery, messages = settlements.popleft()
            if not delivery.session.open:
                continue
            if len(messages) == 1:
                send(messages[0], delivery)
                if published is not None:
                    published += messages
            elif messages:
                self.send(messages, self._ticket(delivery, len(messages)))
            else:
                nothing_to_publish.append(delivery)
        if published and self._published is not None:
            self._published(published)
        self.ack(nothing_to_publish)

    def send(self, messages: Sequence[Outgoing], ticket: Ticket) -> None:
        """Publish them, and tell `ticket` of each."""
        for message in messages:
            self.publisher.send(message, ticket)
        if self._published is not None:
            self._published(messages)

    def settle_again(self, delivery: Delivery, messages: Sequence[Outgoing], failed: Failed, again: int) -> None:
        """Once the channel is back, however long that takes."""

        def send() -> None:
            if delivery.session.open:
                self.send(messages, SettleTicket(self, delivery, len(messages), failed, again))

        self._for_channel.append(send)

    def send_waiting(self) -> None:
        """There is a publishing channel again."""
        waiting, self._for_channel = self._for_channel, []
        for send in waiting:
            send()

    def forget(self) -> None:
        """The connection is gone: what was in hand belongs to the broker again."""
        self._for_channel.clear()
        self._unflushed.clear()

    def move(self, delivery: Delivery, message: Outgoing) -> None:
        """Publish `message` elsewhere and ack `delivery`; if that is refused, its consumer takes it as it is."""
        self._moved = True
        arrive = self._consumers.subscriptions[delivery.queue].arrive
        self.publisher.send(message, SettleTicket(self, delivery, 1, lambda delivery, _error: arrive(delivery)))

    def _ticket(self, delivery: Delivery, messages: int = 1) -> SettleTicket:
        consumer = self._consumers.subscriptions[delivery.queue].consumer
        return SettleTicket(self, delivery, messages, consumer.settle_failed)

    # -- acks ---------------------------------------------------------------------------

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """Send their acks soon: all their results are confirmed."""
        # Ack last: a crash before this line repeats the work, never loses it.
        session: ChannelSession | None = None
        for delivery in deliveries:
            if session is None or delivery.session is not session:
                session = session_of(delivery)
                if not self._unflushed:
                    self._connection.call(self._flush)
                self._unflushed.add(session)
            session.settled(delivery.tag)

    def _flush(self) -> None:
        """Send the acks that have come together."""
        sessions, self._unflushed = self._unflushed, set()
        for session in sessions:
            if session.flush() and not session.singly_soon:
                session.singly_soon = True
                self._connection.later(GAP_DELAY, session.flush_singly)
        quarantines = self._consumers.quarantines
        if self._moved or quarantines.session in sessions:
            self._moved = False
            quarantines.look()

    # -- giving back --------------------------------------------------------------------

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            session = session_of(delivery)
            if session.open and delivery.tag in session.in_hand and delivery not in session.leaving:
                session.leaving.add(delivery)  # else its consumer, which gets it late, gives it back once more
                # If even that is refused (a full queue), its consumer settles it so later.
                self.publisher.send(self._back(delivery), delivery)

    def _back(self, delivery: Delivery) -> Outgoing:
        """To the end of the queue that it came from, with its count unchanged: on a quorum queue
        every other way back counts as an attempt (before RabbitMQ 4.3 even a nack)."""
        headers = kept(delivery)
        home = delivery.queue
        if delivery.session is self._consumers.quarantines.session:
            headers[DEATHS] = delivery.deaths
            home = quarantine_queue(delivery.queue)
        return Moved(Destination("", home), delivery.id, delivery.payload, headers, origin=delivery)

    def release_everything(self) -> None:
        """Give back everything that isn't settled."""
        settling = self.publisher.settling()
        for session in self._consumers.sessions():
            self._release([held for held in session.in_hand.values() if held not in settling | session.leaving])

    def when_idle(self, done: Callable[[], None]) -> None:
        """Call `done` once nothing is outstanding and every ack has been written."""
        if self._life.connected and (self.publisher.outstanding or self._unflushed or self._for_channel):
            self._connection.later(IDLE_POLL, lambda: self.when_idle(done))
            return
        for session in self._consumers.sessions():
            session.flush_singly()
        done()
