"""Consuming a queue: deliveries in batches, acks in batches, each queue on a channel of its own.

A delivery whose earlier holder died is not handled from here: it is moved to the
queue's quarantine (see `quarantine`). Neither is a retry that isn't due yet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pika.channel import Channel
from pika.spec import BasicProperties

from runner.brokers.base import Consumer
from runner.brokers.rabbitmq.fields import Properties
from runner.brokers.rabbitmq.frames import Delivered, ack_frame
from runner.brokers.rabbitmq.templates import Plain
from runner.message import (
    ATTEMPT,
    HEADER_PREFIX,
    NO_HEADERS,
    NOT_BEFORE,
    Delivery,
    Destination,
    Outgoing,
    Session,
    new_id,
)
from runner.topology import PlannedQueue

DELIVERY_COUNT = "x-delivery-count"
"""How often a quorum queue has delivered a message before (absent: never)."""
DEATHS = f"{HEADER_PREFIX}deaths"
"""With a message that was released from the quarantine: the deaths behind it."""
BROKER_HEADERS = ("x-death", DELIVERY_COUNT, "x-acquired-count", "x-first-death-", "x-last-death-", HEADER_PREFIX)
"""What the broker or the runner wrote, as opposed to the message's sender."""


class ChannelSession(Session):
    """The deliveries of one channel that are in hand, and the acks that have yet to leave.

    Delivery tags count from 1 on each channel. Those before the first that is in hand are
    acked in one frame (`multiple`); those behind it follow singly a moment later, so that
    a slow message holds nobody's place.
    """

    __slots__ = ("_settled", "channel", "in_hand", "leaving", "singly_soon")

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self._settled: list[int] = []
        """Tags whose acks have yet to leave."""
        self.in_hand: dict[int, Delivery] = {}
        """By tag, ascending: delivered, and not settled yet."""
        self.leaving: set[Delivery] = set()
        """Those whose ack waits for the confirms of several messages, or for a second try."""
        self.singly_soon = False
        """Whether `flush_singly` is about to be called."""

    def settled(self, tag: int) -> None:
        """The delivery may be acked; `flush` sends it."""
        delivery = self.in_hand.pop(tag, None)
        if delivery is not None:
            self._settled.append(tag)
            if self.leaving:
                self.leaving.discard(delivery)

    def end(self) -> None:
        """The channel is gone."""
        self.open = False
        self.in_hand.clear()

    def flush(self) -> bool:
        """Ack those before the first that is in hand. True where something is left behind it."""
        first = next(iter(self.in_hand), None)
        if first is None:
            before, self._settled = self._settled, []
        else:
            before = [tag for tag in self._settled if tag < first]
            self._settled = [tag for tag in self._settled if tag > first]
        if before and self.open:
            # A multiple ack has to name a tag that is outstanding (else 406): one of these is.
            self._ack(max(before), multiple=True)
        return bool(self._settled)

    def flush_singly(self) -> None:
        """Ack what is left behind the first that is in hand."""
        self.singly_soon = False
        settled, self._settled = self._settled, []
        if self.open:
            for tag in settled:
                self._ack(tag, multiple=False)

    def _ack(self, tag: int, *, multiple: bool) -> None:
        if self.channel.is_open:
            self.channel.connection.write(ack_frame(self.channel.channel_number, tag, multiple))


class Subscription:
    """A work queue that is consumed, over any number of connections, by one consumer at a time.

    `waits` tells whether the queue has companions on which a retry waits.
    `move(delivery, message)` publishes a delivery elsewhere and then acks it; where that is
    refused it is to call `arrive`. `later(function)` calls `function` after what has been
    read so far.
    """

    def __init__(
        self,
        planned: PlannedQueue,
        quarantine: str,
        prefetch: int,
        consumer: Consumer,
        *,
        waits: bool,
        move: Callable[[Delivery, Outgoing], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.queue = planned.name
        self.quarantine = quarantine
        self.consumer = consumer
        self.session: ChannelSession | None = None
        self.cancelled = False
        self.opening = False
        """Whether a channel has been asked for, and isn't open yet."""
        self._asked = False
        """Whether the broker has been told of the consumer, and not confirmed its end."""
        self._tag = ""
        self._cancels: list[Callable[[], None]] = []
        """Who waits for the consumer's end."""
        self._prefetch = prefetch
        self._counts_deliveries = planned.arguments["x-queue-type"] == "quorum"
        self._waits = waits
        self._move = move
        self._later = later
        self._arrived: list[Delivery] = []

    @property
    def registered(self) -> bool:
        """Whether the broker has confirmed the consumer."""
        return bool(self._tag) and not self.cancelled

    def attach(self, channel: Channel) -> None:
        """Consume on this channel, whether it is freshly opened or has lost its consumer."""
        if self._asked or not channel.is_open:
            return
        self._asked = True
        session = self.session = self.session or ChannelSession(channel)
        inbound = Arrivals(self, session)
        channel.connection.deliveries[channel.channel_number] = inbound

        def deliver_large(_channel: object, method: Any, properties: BasicProperties, body: bytes) -> None:
            inbound.on_delivered(delivered(method, properties, body))

        def consuming(frame: Any) -> None:
            self._tag = frame.method.consumer_tag
            if self.cancelled:
                self._cancel_consumer(channel)

        channel.basic_qos(prefetch_count=self._prefetch)
        channel.basic_consume(self.queue, deliver_large, callback=consuming)

    def lose_consumer(self) -> None:
        """The broker has cancelled it; the channel, and what is in hand, are still good."""
        self._tag, self._asked = "", False

    def detach(self) -> None:
        """The channel is gone; what it delivered belongs to the broker again."""
        self._tag, self._asked, self.opening = "", False, False
        if self.session is not None:
            channel = self.session.channel
            channel.connection.deliveries.pop(channel.channel_number, None)
            self.session.end()
            self.session = None
        self._tell_cancelled()

    def resume(self, other: Subscription) -> None:
        """Be what `other` would be, with what is in hand already."""
        self.cancelled = False
        self.consumer = other.consumer
        self._prefetch = other._prefetch

    def cancel(self, done: Callable[[], None]) -> None:
        """Take nothing more; `done` is called when nothing more can come."""
        self.cancelled = True
        if not self._asked or self.session is None:
            done()
            return
        self._cancels.append(done)
        if self._tag and self.session.channel.is_open:  # else its confirmation, or the end of it, is under way
            self._cancel_consumer(self.session.channel)

    def _cancel_consumer(self, channel: Channel) -> None:
        tag, self._tag = self._tag, ""

        def ended(_frame: Any) -> None:
            self._asked = False
            self._hand_over()
            self._tell_cancelled()
            if not self.cancelled:  # it has been resumed meanwhile
                self.attach(channel)

        channel.basic_cancel(tag, ended)
        # pika rejects what is delivered until the cancel is confirmed, and on a quorum
        # queue a reject counts as an attempt. We take it, and it is released.
        channel._cancelled.discard(tag)  # noqa: SLF001 - pika has no public way to keep these

    def _tell_cancelled(self) -> None:
        waiting, self._cancels = self._cancels, []
        for done in waiting:
            done()

    def arrive(self, *deliveries: Delivery) -> None:
        """Hand these to the consumer, together with those read beside them."""
        if not self._arrived:
            self._later(self._hand_over)
        self._arrived += deliveries

    def _hand_over(self) -> None:
        arrived, self._arrived = self._arrived, []
        if arrived:
            self.consumer.deliver(arrived)

    def sort(self, delivery: Delivery, delivered: Delivered) -> None:
        """To the consumer, or to where it has to go before it may be handled."""
        headers = delivered.properties.headers if delivered.properties is not None else None
        elsewhere = None
        if headers or delivered.redelivered:
            elsewhere = self._elsewhere(delivery, delivered.redelivered, headers)
        if elsewhere is None and not delivered.message_id:
            # Another program sent it without an id. The one that it has got now has to last
            # over crashes, so it is written down before a handler sees it.
            elsewhere = _moved(delivery, Destination("", self.queue))
        if elsewhere is None:
            self.arrive(delivery)
        else:
            self._move(delivery, elsewhere)

    def _elsewhere(self, delivery: Delivery, redelivered: bool, headers: Mapping[str, Any] | None) -> Outgoing | None:
        """Where a delivery has to go before it may be handled: to the quarantine, or back
        to wait where its retry isn't due yet."""
        died = number(headers, DELIVERY_COUNT) > 0 if self._counts_deliveries else redelivered
        if died:
            # At most one attempt, however often it was delivered: only its first delivery
            # can have come to a handler, for the later ones were on their way to the quarantine.
            delivery.attempt += 1
            delivery.deaths = 1
            return _moved(delivery, Destination("", self.quarantine))
        wait = number(headers, NOT_BEFORE) / 1000 - time.time()
        if wait <= 0 or not self._waits:  # a stage that retries nothing more has no queue to wait on
            return None
        return _moved(delivery, Destination("", self.queue), wait)


class Arrivals:
    """What comes on one channel, for the subscription that consumes on it."""

    def __init__(self, subscription: Subscription, session: ChannelSession) -> None:
        self._subscription = subscription
        self._session = session

    def on_plain(self, plain: Sequence[Plain]) -> None:
        queue, session, in_hand = self._subscription.queue, self._session, self._session.in_hand
        deliveries = []
        for tag, message_id, body in plain:
            in_hand[tag] = delivery = Delivery(queue, message_id, body, NO_HEADERS, 1, session, tag)
            deliveries.append(delivery)
        self._subscription.arrive(*deliveries)

    def on_delivered(self, delivered: Delivered) -> None:
        self._subscription.sort(read(self._subscription.queue, self._session, delivered), delivered)


def read(queue: str, session: ChannelSession, delivered: Delivered, *, deaths: int = 0, counted: int = 0) -> Delivery:
    """What the broker has delivered, in hand from now on; `deaths` deliveries of it came to
    nothing, of which its header has `counted`."""
    tag, _, message_id, properties, body = delivered
    headers = properties.headers if properties is not None else None
    sent, attempted = (_sender_headers(headers), number(headers, ATTEMPT)) if headers else (NO_HEADERS, 0)
    attempt = attempted + deaths - counted + 1
    delivery = Delivery(queue, message_id or new_id(), body, sent, attempt, session, tag, properties, deaths)
    session.in_hand[tag] = delivery
    return delivery


def delivered(method: Any, properties: BasicProperties, body: bytes) -> Delivered:
    """What came pika's way: a large message, or one that was asked for."""
    values = Properties(**{name: getattr(properties, name) for name in Properties.__dataclass_fields__})
    return Delivered(method.delivery_tag, method.redelivered, properties.message_id or "", values, body)


def _moved(delivery: Delivery, destination: Destination, delay: float = 0.0) -> Outgoing:
    headers = {**delivery.headers, ATTEMPT: delivery.attempt - 1}
    return Outgoing(destination, delivery.id, delivery.payload, headers, delay=delay, origin=delivery)


def _sender_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(BROKER_HEADERS)}


def number(headers: Mapping[str, Any] | None, name: str) -> int:
    """A header's number; a foreign program's nonsense counts as none."""
    value = headers.get(name, 0) if headers else 0
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
