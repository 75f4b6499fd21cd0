"""Consuming one queue: deliveries in batches, each queue on its own channel.

Left out: which deliveries have to go elsewhere before they may be handled (see `sorting`).

RabbitMQ limits what is taken in advance only by number. So the first message of a backlog is
looked at, and fewer are taken if it is large. If bodies become large later, the consumer rests until
there is room in memory, and then takes fewer.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Sequence

from runner.brokers.base import Consumer
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.templates import Plain
from runner.brokers.rabbitmq.reading import moved, read_delivery
from runner.brokers.rabbitmq.session import ChannelSession
from runner.brokers.rabbitmq.sorting import Sorter
from runner.message import NO_HEADERS, Delivery, Outgoing, all_usable

LARGE = 64 * 1024
"""Bytes from which a body counts as large."""
HELD_BYTES = 32 * 1024 * 1024
"""Bytes of large bodies from one queue that may be in hand."""
FEW = 16
"""As many may be taken in advance whatever their size."""
RELIEF = 0.1
"""Seconds between checks whether there is room again."""
WIDEN_AFTER = 10.0
"""Seconds without a large body after which as many as before are taken in advance."""


class Subscription:
    """A work queue that is consumed, over any number of connections, by one consumer at a time.

    `sorter` is the queue's. `move(delivery, message)` publishes a delivery elsewhere and then acks it; if that is
    refused, it must call `arrive`. `later(function)` calls `function` after what has been read
    so far, `after(delay, function)` after `delay` seconds.
    """

    def __init__(
        self,
        sorter: Sorter,
        prefetch: int,
        consumer: Consumer,
        *,
        move: Callable[[Delivery, Outgoing], None],
        later: Callable[[Callable[[], None]], None],
        after: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self.queue, self.quarantine = sorter.queue, sorter.quarantine
        self.consumer = consumer
        self.session: ChannelSession | None = None
        self.cancelled = False
        self.paused = ""
        """Why it is cancelled, if it is so only for now."""
        self.opening = False
        """Whether a channel has been asked for, and isn't open yet."""
        self._asked = False
        """Whether the consumer was requested, and the broker has not confirmed its end."""
        self._tag = ""
        self._cancels: list[Callable[[], None]] = []
        """Called at the consumer's end."""
        self._prefetch = prefetch
        self._sorter = sorter
        self._move = move
        self._later = later
        self._after = after
        self._arrived: list[Delivery] = []
        self._resting = False
        """Whether the consumer was ended until there is room for more."""
        self._narrow = 0
        """How many large bodies have room; 0: as many as the prefetch says."""
        self._takes = prefetch
        """How many the consumer takes in advance as it is."""
        self._large_came = 0.0
        self._former: list[int] = []
        """The last tag of each consumer that has ended on this channel, and of each message that was looked at."""

    @property
    def registered(self) -> bool:
        """Whether the broker has confirmed the consumer; true also while it only rests."""
        return bool(self._tag or self._resting) and not self.cancelled

    def attach(self, channel: Channel) -> None:
        """Consume on this channel, which is new or has lost its consumer."""
        if self._asked or not channel.is_open:
            return
        self._asked, self._resting = True, False
        if self.session is None:
            self.session = ChannelSession(channel)
            channel.on_empty(self._seen)
        if self._narrow or self._prefetch <= FEW:
            self._consume(self.session)
        else:
            channel.get(self.queue, self._see)

    def _see(self, first: Delivered) -> None:
        """Take in advance what the first message of a backlog says that there is room for."""
        session = self.session
        assert session is not None
        self._keep_former(first.tag)
        Receiver(self, session).on_delivered(first)
        if len(first.body) >= LARGE:
            self._keep_narrow(session)
        self._seen()

    def _seen(self) -> None:
        if self.cancelled:
            self._end()
        elif self.session is not None and self.session.channel.is_open:
            self._consume(self.session)

    def _consume(self, session: ChannelSession) -> None:
        def consuming(tag: str) -> None:
            self._tag = tag
            if self.cancelled:
                self._cancel_consumer(session.channel)

        self._takes = min(self._prefetch, self._narrow or self._prefetch)
        session.channel.consume(self.queue, self._takes, Receiver(self, session), consuming)

    def lose_consumer(self) -> None:
        """The broker has cancelled it; the channel, and what is in hand, are still good."""
        self._tag, self._asked = "", False

    def detach(self) -> None:
        """The channel is gone; what it delivered belongs to the broker again."""
        self._tag, self._asked, self.opening, self._resting = "", False, False, False
        if self.session is not None:
            if self.session.in_hand:
                self.consumer.taken_back()
            self.session.end()
            self.session = None
        self._former.clear()
        self._tell_cancelled()

    def resume(self, other: Subscription) -> None:
        """Be what `other` would be, with what is in hand already."""
        self.cancelled, self.paused = False, ""
        self.consumer = other.consumer
        self._prefetch = other._prefetch

    def cancel(self, done: Callable[[], None], *, pausing: str = "") -> None:
        """Take nothing more; `done` is called when nothing more can come."""
        self.cancelled, self.paused = True, pausing
        if not self._asked or self.session is None:
            done()
            return
        self._cancels.append(done)
        if self._tag and self.session.channel.is_open:  # else its confirmation, or the end of it, is under way
            self._cancel_consumer(self.session.channel)

    def _cancel_consumer(self, channel: Channel) -> None:
        tag, self._tag = self._tag, ""

        def ended() -> None:
            if self.session is not None and self.session.in_hand:
                self._keep_former(next(reversed(self.session.in_hand)))
            self._end()
            if not self.cancelled:  # it has been resumed meanwhile, or rests
                self._attach_when_light(channel)

        channel.cancel(tag, ended)

    def _end(self) -> None:
        self._asked = False
        self._hand_over()
        self._tell_cancelled()

    def _keep_former(self, last: int) -> None:
        if last > max(self._former, default=0):
            self._former.append(last)

    def consumers(self) -> int:
        """How many the broker counts: on a quorum queue also one that has ended, and one for a message that was
        looked at, until all of theirs is settled."""
        in_hand = self.session.in_hand if self.session is not None and self._sorter.counts_deliveries else ()
        former = {bisect_left(self._former, tag) for tag in in_hand} - {len(self._former)}
        return bool(self._tag) + len(former)

    # -- large bodies -------------------------------------------------------------------

    def weigh(self, session: ChannelSession, tag: int, size: int) -> None:
        """A large body has come. If too much is in hand, take no more until there is room."""
        session.large[tag] = size
        self._large_came = time.monotonic()
        if session.weight() <= HELD_BYTES or not self._tag or self.cancelled:
            return
        if self._takes > _fitting(session):
            self._keep_narrow(session)
            self._rest(session.channel)

    def _keep_narrow(self, session: ChannelSession) -> None:
        if not self._narrow:
            self._after(WIDEN_AFTER, self._widen)
        self._narrow = _fitting(session)

    def _rest(self, channel: Channel) -> None:
        self._resting = True
        self._cancel_consumer(channel)

    def _attach_when_light(self, channel: Channel) -> None:
        session = self.session
        if self.cancelled or self._asked or session is None or session.channel is not channel:
            return
        if session.weight() > HELD_BYTES // 2:
            self._after(RELIEF, lambda: self._attach_when_light(channel))
        else:
            self.attach(channel)

    def _widen(self) -> None:
        """Take as many as before, once no large body has come for a while."""
        left = self._large_came + WIDEN_AFTER - time.monotonic()
        if left > 0:
            self._after(left, self._widen)
            return
        self._narrow = 0
        if self._tag and not self.cancelled and self.session is not None and self.session.channel.is_open:
            self._rest(self.session.channel)

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
        """Hand it to the consumer, or send it where it has to go first."""
        elsewhere = None
        if delivered.redelivered or (delivered.properties is not None and delivered.properties.headers):
            elsewhere = self._sorter.elsewhere(delivery, delivered, self.consumer)
        if elsewhere is None and delivery.id != delivered.message_id:
            # Another program sent it without an id, or with an unusable one. Its new id has to
            # survive crashes, so it is stored before a handler sees it.
            elsewhere = moved(delivery, self.queue)
        if elsewhere is None:
            self.arrive(delivery)
        else:
            self._move(delivery, elsewhere)


def _fitting(session: ChannelSession) -> int:
    """How many have room of which each is as large as the largest that is in hand."""
    return max(1, HELD_BYTES // max(session.large.values()))


class Receiver:
    """What comes on one channel, for the subscription that consumes on it."""

    def __init__(self, subscription: Subscription, session: ChannelSession) -> None:
        self._subscription = subscription
        self._session = session

    def on_plain(self, plain: Sequence[Plain]) -> None:
        if not all_usable([message_id for _, message_id, _ in plain]):
            for tag, message_id, body in plain:
                self.on_delivered(Delivered(tag, False, message_id, None, body))
            return
        queue, session, in_hand = self._subscription.queue, self._session, self._session.in_hand
        deliveries = []
        for tag, message_id, body in plain:
            in_hand[tag] = delivery = Delivery(queue, message_id, body, NO_HEADERS, 1, session, tag)
            deliveries.append(delivery)
        self._subscription.arrive(*deliveries)

    def on_delivered(self, delivered: Delivered) -> None:
        self._subscription.sort(read_delivery(self._subscription.queue, self._session, delivered), delivered)
        if len(delivered.body) >= LARGE:
            self._subscription.weigh(self._session, delivered.tag, len(delivered.body))
