"""Keeps a message from taking others down with it.

When a worker dies, everything that it had prefetched is delivered again, and the broker
knows only that each of these deliveries failed. Which of them killed the worker? To find
out, each is moved to its queue's quarantine, and a process takes *one message at a time*
from all its quarantines together: the next death counts against the one that was in hand.
So a message that kills its workers is counted exactly, and the hundreds beside it lose at
most one attempt. Those that a
consumer knows to be innocent don't come here (see `consuming`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial

from runner.brokers.base import PATIENCE
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.consuming import Subscription
from runner.brokers.rabbitmq.reading import DEATHS, DELIVERY_COUNT, header_number, read_delivery
from runner.brokers.rabbitmq.session import ChannelSession
from runner.message import ATTEMPT

LOOK_EVERY = 1.0
"""Seconds between checks of quarantines that were empty."""


class QuarantineReader:
    """Takes from the quarantines of `subscriptions()` by basic.get, which hands out one."""

    def __init__(
        self, subscriptions: Callable[[], Iterable[Subscription]], later: Callable[[float, Callable[[], None]], None]
    ) -> None:
        self._subscriptions = subscriptions
        self._later = later
        self.session: ChannelSession | None = None
        self._left: list[Subscription] = []
        self._asking = False
        self._served = ""
        """The queue of the last message."""
        self._taken, self._tag = 0.0, 0
        """When it was taken, and which delivery it is."""

    def attach(self, channel: Channel) -> None:
        """Use this new channel."""
        self.session = ChannelSession(channel)
        self._asking = False
        channel.on_empty(self._on_empty)
        self._look_from_time_to_time(self.session)

    def detach(self) -> None:
        if self.session is not None:
            self.session.end()
            self.session = None

    def look(self) -> None:
        """Take the next one, unless one is in hand or being asked for."""
        if self._asking or self.session is None:
            return
        if self._tag in self.session.in_hand and time.monotonic() - self._taken < PATIENCE:
            return
        subscriptions = list(self._subscriptions())
        # Each gets its turn: first those after the one that was served last.
        last = next((at for at, one in enumerate(subscriptions) if one.queue == self._served), -1)
        self._left = [*subscriptions[last + 1 :], *subscriptions[: last + 1]]
        self._ask()

    def _look_from_time_to_time(self, session: ChannelSession) -> None:
        if session is self.session:
            self.look()
            self._later(LOOK_EVERY, lambda: self._look_from_time_to_time(session))

    def _ask(self) -> None:
        session = self.session
        while self._left and session is not None and session.channel.is_open:
            subscription = self._left.pop(0)
            if subscription.registered:
                self._asking = True
                session.channel.get(subscription.quarantine, partial(self._on_got, session, subscription))
                return

    def _on_empty(self) -> None:
        self._asking = False
        self._ask()

    def _on_got(self, session: ChannelSession, subscription: Subscription, delivered: Delivered) -> None:
        self._asking = False
        self._served = subscription.queue
        self._taken, self._tag = time.monotonic(), delivered.tag
        headers = delivered.properties.headers if delivered.properties is not None else None
        # One death brought it here, which its header counts, as it does those before a release.
        counted = header_number(headers, DEATHS) or 1
        came_back, first = header_number(headers, DELIVERY_COUNT), header_number(headers, ATTEMPT) + 1
        acquittals = subscription.consumer.acquittals(delivered.message_id, range(first, first + came_back))
        deaths = counted + max(0, came_back - acquittals)
        subscription.arrive(read_delivery(subscription.queue, session, delivered, deaths=deaths, counted=counted))
