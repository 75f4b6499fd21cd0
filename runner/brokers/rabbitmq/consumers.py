"""Everything that this process consumes on RabbitMQ: its subscriptions, over any number of
connections, its quarantines, and its answers to roll calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from runner.brokers.base import Asked
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.consuming import Subscription
from runner.brokers.rabbitmq.quarantine import QuarantineReader
from runner.brokers.rabbitmq.roll_call import Held, answer_roll_calls
from runner.brokers.rabbitmq.session import ChannelSession

LOOK_AGAIN = 1.0
"""Seconds until a queue whose consumer was cancelled is gone, if it was deleted."""

Mend = Callable[[str, Callable[[], None]], None]


class Consumers:
    """Only on the I/O thread, except `consuming`.

    `mend(what, then)` puts back what is gone from the broker, and then calls `then`;
    `later(delay, function)` calls `function` after `delay` seconds.
    """

    def __init__(self, mend: Mend, later: Callable[[float, Callable[[], None]], None]) -> None:
        self.subscriptions: dict[str, Subscription] = {}
        """By queue; including cancelled ones."""
        self.quarantines = QuarantineReader(self.subscriptions.values, later)
        self._mend = mend
        self._later = later
        self._asked: Asked | None = None
        self._call: Callable[..., None] = later
        self._connection: Connection | None = None
        """The one that is ready."""
        self._answering = False
        """Whether roll calls are answered, and quarantines read, on this connection."""

    def consuming(self, queue: str) -> bool:
        """Whether the broker has confirmed the consumer of `queue`. From any thread."""
        subscription = self.subscriptions.get(queue)
        return subscription is not None and subscription.registered

    def listen(self, asked: Asked, call: Callable[..., None]) -> None:
        """Questions are for `asked`; `call` carries out a function on the I/O thread, from any other."""
        self._asked, self._call = asked, call

    def sessions(self) -> list[ChannelSession]:
        """Those with something in hand, or to be acked."""
        sessions = [self.quarantines.session, *(s.session for s in self.subscriptions.values())]
        return [session for session in sessions if session is not None]

    def attach(self, connection: Connection) -> None:
        """From now on, consume everything on this connection."""
        self._connection = connection
        for subscription in self.subscriptions.values():
            self._consume(subscription)

    def detach(self) -> None:
        """The connection is gone."""
        self._connection = None
        self._answering = False
        self.quarantines.detach()
        for subscription in self.subscriptions.values():
            subscription.detach()

    def subscribe(self, subscription: Subscription) -> None:
        """Consume another queue, or resume a known one."""
        known = self.subscriptions.setdefault(subscription.queue, subscription)
        if known is not subscription:
            known.resume(subscription)
        self._consume(known)

    def cancel(self, queue: str, pausing: str, done: Callable[[], None]) -> None:
        """Take nothing more from `queue`; `done` is called when nothing more can come."""
        subscription = self.subscriptions.get(queue)
        if subscription is None:
            done()
        else:
            subscription.cancel(done, pausing=pausing)

    def _consume(self, subscription: Subscription) -> None:
        """On the channel that consumed it before, if that is still open: what was delivered there
        can then still be settled. Else on a new one. May be called again at any time: there is
        never more than one channel, with one consumer on it."""
        connection = self._connection
        if connection is None or not connection.is_open or subscription.cancelled or subscription.opening:
            return
        if not self._answering:
            self._answering = True
            answer_roll_calls(connection, self._roll, self._hear)
            connection.open_channel(self._read_quarantines_on)
        if subscription.session is not None:
            subscription.attach(subscription.session.channel)
        else:
            subscription.opening = True
            connection.open_channel(lambda channel: self._consume_on(channel, subscription))

    def _consume_on(self, channel: Channel, subscription: Subscription) -> None:
        def closed(error: BaseException) -> None:
            subscription.detach()
            reason = too_long[0] if too_long else explain(error)
            self._mend(f"the consumer of {subscription.queue} was closed: {reason}", again)

        def cancelled() -> None:
            subscription.lose_consumer()
            self._look_for(subscription.queue, there=look_again, gone=deleted)

        def look_again() -> None:
            # A queue that is being deleted is still there when its consumers learn of it (seen on 4.3).
            self._later(LOOK_AGAIN, lambda: self._look_for(subscription.queue, there=taken_back, gone=deleted))

        def taken_back() -> None:
            # From 4.3 on RabbitMQ does so after consumer_timeout: what is in hand is handed out
            # once more, so that whatever still comes of it here has to be dropped.
            too_long.append("the broker has taken back what was in hand for too long")
            if channel.is_open:
                channel.close()

        def deleted() -> None:
            self._mend(f"the broker has cancelled the consumer of {subscription.queue} (deleted?)", again)

        def again() -> None:
            self._consume(subscription)

        too_long: list[str] = []
        subscription.opening = False
        if subscription.cancelled:
            channel.close()
            return
        channel.on_closed(closed)
        channel.on_cancelled(cancelled)
        subscription.attach(channel)

    def _look_for(self, queue: str, *, there: Callable[[], None], gone: Callable[[], None]) -> None:
        """Call one of the two."""

        def look(channel: Channel) -> None:
            def found(_ready: int, _consumers: int) -> None:
                answers.append(there)
                channel.close()

            answers: list[Callable[[], None]] = []
            channel.on_closed(lambda _error: (answers or [gone])[0]())  # 404 closes it
            channel.look_at_queue(queue, found)

        if self._connection is not None:
            self._connection.open_channel(look)

    def _read_quarantines_on(self, channel: Channel) -> None:
        def closed(error: BaseException) -> None:
            self.quarantines.detach()
            self._mend(f"the channel of the quarantines was closed: {explain(error)}", again)

        def again() -> None:
            if self._connection is not None:
                self._connection.open_channel(self._read_quarantines_on)

        channel.on_closed(closed)
        self.quarantines.attach(channel)

    def _hear(self, channel: Channel, question: bytes, reply_to: str) -> None:
        def publish(text: bytes) -> None:
            if channel.is_open:
                channel.publish("", reply_to, text)

        if self._asked is not None:
            self._asked(question, reply_to, lambda text: self._call(publish, text))

    def _roll(self) -> Mapping[str, Held]:
        held = Counter(delivery.queue for session in self.sessions() for delivery in session.in_hand.values())
        taking = {queue: s for queue, s in self.subscriptions.items() if s.registered or s.paused}
        return {queue: Held(held[queue], bool(s.paused), s.paused, s.consumers()) for queue, s in taking.items()}
