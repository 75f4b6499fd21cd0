"""One queue of one node, read from its head to its end by consumers that ack nothing.

When its connection ends, however it ends, RabbitMQ puts what was delivered back in its place.
A quorum queue counts that as a delivery; the queues that are browsed name no limit that this
could reach. Whoever comes second waits a little, and is then told so; no message is in the
hands of two.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import suppress

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.reader import Reader
from runner.errors import BrokerUnavailableError

PATIENCE = 10.0
"""Seconds to wait for somebody else who looks: longer than it takes."""
LOOK_AGAIN, SOON = 0.2, 0.005
"""Seconds."""
OCCUPIED = "somebody else is looking at it, or consumes it; try again when they have finished"
MISSING = 404
MOST_HELD = 60_000
"""Messages that one consumer may hold: AMQP's prefetch has 16 bits."""
FIRST_PAGE = 100
"""Messages."""


class Browsed:
    """A message as it lies on the queue."""

    __slots__ = ("delivered", "reader")

    def __init__(self, delivered: Delivered, reader: Reader) -> None:
        self.delivered = delivered
        self.reader = reader

    def ack(self) -> None:
        """Take it away, as the last that was read."""
        self.reader.ack(self.delivered.tag)


class Browser:
    """Reads `queue` over `link`, which has to be closed by `close`."""

    def __init__(self, link: Link, queue: str) -> None:
        self._link = link
        self._queue = queue
        self._first: Reader | None = None
        """It has begun, and nothing was read from it."""
        self._readers: list[Reader] = []

    def messages(self) -> Iterator[Browsed]:
        """Those that are ready now, the oldest first. Raises BrokerUnavailableError unless all of them come.

        Whatever the caller does in between, nothing is left on the wire: RabbitMQ hangs up on
        whoever doesn't read for half a minute.
        """
        left, seen, page = self._begin(), 0, FIRST_PAGE
        while left > 0:
            reader = self._next_reader(min(page, left + seen))
            reader.fill()
            while left and not reader.too_large and (found := reader.take()) is not None:
                if seen:  # an earlier reader had it, and has given it back
                    seen -= 1
                    continue
                left -= 1
                yield Browsed(found, reader)
            page = reader.next_most
            if reader.too_large:
                seen += reader.taken
                self._give_back_from(len(self._readers) - 1)

    def _begin(self) -> int:
        """How many lie there, with the first reader at work, alone: two that begin at once both step back,
        and try again after times that differ."""
        channel, deadline = self._link.channel(), time.monotonic() + PATIENCE
        while (left := self._lying(channel, deadline)) > 0:
            self._first = Reader(self._link, self._queue, min(FIRST_PAGE, left))
            if self._counts(channel)[1] <= 1:
                return left
            self._first.give_back()
            self._link.wait(lambda: False, random.uniform(0, LOOK_AGAIN * 5))
        return 0

    def _next_reader(self, most: int) -> Reader:
        reader, self._first = self._first or Reader(self._link, self._queue, most), None
        self._readers.append(reader)
        return reader

    def _lying(self, channel: Channel, deadline: float) -> int:
        """How many there are, once nobody consumes it, who may have all of them in hand."""
        while True:
            ready, consumers = self._counts(channel)
            if not consumers:
                return ready
            if time.monotonic() > deadline:
                raise BrokerUnavailableError(f"{self._queue}: {OCCUPIED}")
            self._link.wait(lambda: False, LOOK_AGAIN)

    def _counts(self, channel: Channel) -> tuple[int, int]:
        """Nothing at all, where there is no such queue."""
        counts: list[tuple[int, int]] = []
        refusals: list[BaseException] = []

        def counted(ready: int, consumers: int) -> None:
            counts.append((ready, consumers))
            self._link.stop()

        channel.on_closed(refusals.append)
        channel.look_at_queue(self._queue, counted)
        self._link.expect(lambda: counts or refusals, f"how many there are on {self._queue}")
        if counts:
            return counts[0]
        told = closed_by_broker(refusals[0])
        if told is not None and told[0] == MISSING:
            return 0, 0
        raise BrokerUnavailableError(f"{self._queue}: {told[1] if told else refusals[0]}")

    def _give_back_from(self, first: int) -> None:
        """What these readers hold goes back, and stands in its order: RabbitMQ puts what comes back behind
        what has come back before, so all that is left has to be held for a moment, too."""
        channel = self._link.channel()
        for reader in self._readers[first:]:
            reader.settle()
        ready = self._counts(channel)[0]
        for start in range(0, ready, MOST_HELD):
            self._readers.append(Reader(self._link, self._queue, min(MOST_HELD, ready - start), keeps=False))
            self._readers[-1].fill()
        self._readers[-1].cancel()  # what the others give back must not go to it
        for reader in self._readers[first:]:
            wanted = self._counts(channel)[0] + reader.held
            reader.give_back()
            deadline = time.monotonic() + PATIENCE  # RabbitMQ closes a channel first, and tells the queue then
            while self._counts(channel)[0] < wanted and time.monotonic() < deadline:
                self._link.wait(lambda: False, SOON)
        del self._readers[first:]
        channel.close()

    def close(self) -> bool:
        """Give everything back, in its order. Returns whether the broker has taken every ack."""
        if any(reader.held for reader in self._readers):
            with suppress(BrokerUnavailableError):
                self._give_back_from(0)
        return self._link.close()
