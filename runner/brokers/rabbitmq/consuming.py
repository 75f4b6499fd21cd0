"""Consuming a queue: deliveries in batches, acks in batches, each queue on a channel of its own.

Here also stands how a message is kept from taking others down with it. A delivery
whose earlier holder died is moved to the queue's quarantine, which is consumed
with a prefetch of one: a next death counts against the one message that was in
hand, not against the hundreds that happened to be prefetched beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from pika.channel import Channel
from pika.spec import BasicProperties

from runner.brokers.base import Consumer
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

BROKER_HEADERS = ("x-death", "x-delivery-count", "x-acquired-count", "x-first-death-", "x-last-death-", HEADER_PREFIX)
"""What the broker or the runner wrote, as opposed to the message's sender."""


class ChannelSession(Session):
    """The deliveries of one channel that are in hand, and the acks that have yet to leave.

    Delivery tags count from 1 on each channel. The contiguous prefix of settled ones
    is acked in one frame (`multiple`); those behind a gap follow singly a moment
    later, so that a slow message holds nobody's place.
    """

    __slots__ = ("_lowest", "_settled", "_single", "channel", "in_hand")

    def __init__(self, channel: Channel) -> None:
        super().__init__()
        self.channel = channel
        self._lowest = 1
        self._settled: set[int] = set()
        self._single: set[int] = set()
        self.in_hand: dict[int, Delivery] = {}

    def settled(self, tag: int) -> None:
        """The delivery may be acked; `flush` sends it."""
        if self.in_hand.pop(tag, None) is not None:
            self._settled.add(tag)

    def flush(self) -> bool:
        """Ack the contiguous prefix. True where something is left behind a gap."""
        settled, last = self._settled, 0
        while True:
            if self._lowest in settled:
                settled.remove(self._lowest)
                # A multiple ack has to name a tag that is outstanding (else 406), so
                # never one that was acked singly.
                last = self._lowest
            elif self._lowest in self._single:
                self._single.remove(self._lowest)
            else:
                break
            self._lowest += 1
        if last and self.open:
            self.channel.basic_ack(last, multiple=True)
        return bool(settled)

    def flush_singly(self) -> None:
        """Ack what is left behind a gap."""
        if self.open:
            for tag in self._settled:
                self.channel.basic_ack(tag)
        self._single |= self._settled
        self._settled.clear()


class Subscription:
    """A work queue that is consumed, with its quarantine, over any number of connections.

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
        move: Callable[[Delivery, Outgoing], None],
        later: Callable[[Callable[[], None]], None],
    ) -> None:
        self.queue = planned.name
        self.quarantine = quarantine
        self.consumer = consumer
        self._prefetch = prefetch
        self._counts_deliveries = planned.arguments["x-queue-type"] == "quorum"
        self._move = move
        self._later = later
        self._arrived: list[Delivery] = []
        self.sessions: dict[str, ChannelSession] = {}
        self.tags: dict[str, tuple[Channel, str]] = {}
        self.cancelled = False

    @property
    def registered(self) -> bool:
        """Whether the broker has confirmed both consumers."""
        return len(self.tags) == 2 and not self.cancelled

    @property
    def in_hand(self) -> int:
        return sum(len(session.in_hand) for session in self.sessions.values() if session.open)

    def attach(self, queue: str, channel: Channel) -> None:
        """Consume `queue` (the work queue or its quarantine) on this channel, whether it is
        freshly opened or has lost its consumer."""
        in_quarantine = queue == self.quarantine
        session = self.sessions.get(queue) or ChannelSession(channel)
        self.sessions[queue] = session

        def deliver(_channel: object, method: Any, properties: BasicProperties, body: bytes) -> None:
            self._on_deliver(session, in_quarantine, method, properties, body)

        def consuming(frame: Any) -> None:
            self.tags[queue] = (channel, frame.method.consumer_tag)
            if self.cancelled:
                self.cancel(_nothing)

        channel.basic_qos(prefetch_count=1 if in_quarantine else self._prefetch)
        channel.basic_consume(queue, deliver, callback=consuming)

    def detach(self, queue: str) -> None:
        """The channel is gone; what it delivered belongs to the broker again."""
        self.tags.pop(queue, None)
        if (session := self.sessions.pop(queue, None)) is not None:
            session.open = False
            session.in_hand.clear()

    def cancel(self, done: Callable[[], None]) -> None:
        """Take nothing more; `done` is called when nothing more can come."""
        self.cancelled = True
        waiting = set(self.tags)
        if not waiting:
            done()

        def cancelled(queue: str) -> Callable[[Any], None]:
            def on_cancelled(_frame: Any) -> None:
                waiting.discard(queue)
                if not waiting:
                    self._hand_over()
                    done()

            return on_cancelled

        for queue, (channel, tag) in self.tags.items():
            channel.basic_cancel(tag, cancelled(queue))
            # pika rejects what is delivered until the cancel is confirmed, and on a
            # quorum queue a reject counts as an attempt. We take it and release it.
            channel._cancelled.discard(tag)  # noqa: SLF001 - pika has no public way to keep these
        self.tags.clear()

    def _on_deliver(
        self, session: ChannelSession, in_quarantine: bool, method: Any, properties: BasicProperties, body: bytes
    ) -> None:
        headers = properties.headers
        delivery = Delivery(
            self.queue,
            properties.message_id or new_id(),
            body,
            _sender_headers(headers) if headers else NO_HEADERS,
            1,
            session,
            method.delivery_tag,
            properties,
        )
        session.in_hand[delivery.tag] = delivery
        if headers or method.redelivered:
            deaths = self._deaths(in_quarantine, method.redelivered, headers or NO_HEADERS)
            delivery.attempt = _number(headers, ATTEMPT) + deaths + 1
            if not in_quarantine and (elsewhere := self._elsewhere(delivery, deaths, headers or NO_HEADERS)):
                self._move(delivery, elsewhere)
                return
        self.arrive(delivery)

    def _deaths(self, in_quarantine: bool, redelivered: bool, headers: Mapping[str, Any]) -> int:
        """How many deliveries from this very queue have died with their holder. A classic
        queue can only tell that there was one before."""
        if in_quarantine or self._counts_deliveries:
            return _number(headers, "x-delivery-count")
        return int(redelivered)

    def _elsewhere(self, delivery: Delivery, deaths: int, headers: Mapping[str, Any]) -> Outgoing | None:
        """Where a delivery has to go before it may be handled: to the quarantine, or back
        to wait where its retry isn't due yet."""
        if deaths:
            return self._moved(delivery, Destination("", self.quarantine))
        wait = _number(headers, NOT_BEFORE) / 1000 - time.time()
        return self._moved(delivery, Destination("", self.queue), wait) if wait > 0 else None

    @staticmethod
    def _moved(delivery: Delivery, destination: Destination, delay: float = 0.0) -> Outgoing:
        headers = {**delivery.headers, ATTEMPT: delivery.attempt - 1}
        return Outgoing(destination, delivery.id, delivery.payload, headers, delay=delay, origin=delivery)

    def arrive(self, delivery: Delivery) -> None:
        """Hand this delivery to the consumer, together with those read beside it."""
        if not self._arrived:
            self._later(self._hand_over)
        self._arrived.append(delivery)

    def _hand_over(self) -> None:
        arrived, self._arrived = self._arrived, []
        if arrived:
            self.consumer.deliver(arrived)


def _nothing() -> None: ...


def _sender_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(BROKER_HEADERS)}


def _number(headers: Mapping[str, Any] | None, name: str) -> int:
    """A header's number; a foreign program's nonsense counts as none."""
    value = headers.get(name, 0) if headers else 0
    return value if isinstance(value, int) and value > 0 else 0
