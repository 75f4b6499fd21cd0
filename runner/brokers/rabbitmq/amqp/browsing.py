"""One queue of one node, read from its head to its end by consumers that ack nothing.

When its connection ends, however it ends, RabbitMQ puts what was delivered back in its place.
A quorum queue counts that as a delivery; the queues that are browsed name no limit that this
could reach. Whoever comes second waits a little, and is then told so; no message is in the
hands of two.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.templates import Plain
from runner.errors import BrokerUnavailableError

SILENCE = 5.0
"""Seconds without a delivery after which nothing more comes."""
PATIENCE = 10.0
"""Seconds to wait for somebody else who looks: longer than it takes."""
LOOK_AGAIN = 0.2
"""Seconds."""
OCCUPIED = "somebody else is looking at it, or consumes it; try again when they have finished"
MISSING = 404
MOST = 60_000
"""Messages that one consumer gets without an ack. AMQP's prefetch has 16 bits, and a quorum queue takes
no prefetch at all for 2,000."""


class Browsed:
    """A message as it lies on the queue."""

    __slots__ = ("delivered", "reader")

    def __init__(self, delivered: Delivered, reader: Reader) -> None:
        self.delivered = delivered
        self.reader = reader

    def ack(self) -> None:
        """Take it away."""
        self.reader.channel.ack(self.delivered.tag, multiple=False)


class Browser:
    """Reads `queue` over `link`, which has to be closed by `close`."""

    def __init__(self, link: Link, queue: str) -> None:
        self._link = link
        self._queue = queue
        self._readers: list[Reader] = []

    def messages(self) -> Iterator[Browsed]:
        """Those that are ready now, the oldest first; few of them are in memory at a time. Raises
        BrokerUnavailableError unless all of them come."""
        left = self._lying()
        while left > 0:
            some = min(MOST, left)
            yield from self._some(some)
            left -= some

    def _some(self, left: int) -> Iterator[Browsed]:
        reader = Reader(self._link, self._queue, left)
        self._readers.append(reader)
        while left:
            if not self._link.wait(lambda: reader.arrived or reader.over, SILENCE) or not reader.arrived:
                raise BrokerUnavailableError(f"{self._queue}: {left:,} of its messages don't come; {OCCUPIED}")
            while reader.arrived and left:
                left -= 1
                yield Browsed(reader.arrived.popleft(), reader)

    def _lying(self) -> int:
        """How many lie there, once nobody consumes it, who may have all of them in hand."""
        channel, deadline = self._link.channel(), time.monotonic() + PATIENCE
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

    def close(self) -> bool:
        """Give everything back, in its order. Returns whether the broker has taken every ack."""
        good = True
        try:
            if len(self._readers) > 1:  # what the first gives back must not go to the last
                self._readers[-1].cancel()
            for reader in self._readers:
                reader.close()
        except BrokerUnavailableError:
            good = False
        return self._link.close() and good


class Reader:
    """A consumer on a channel of its own, which gets up to `most` messages that it doesn't ack."""

    def __init__(self, link: Link, queue: str, most: int) -> None:
        self._link = link
        self.arrived: deque[Delivered] = deque()
        self.over = False
        """Whether nothing more can come."""
        self._tag = ""
        self.channel = link.channel()
        self.channel.on_closed(self._end)
        self.channel.on_cancelled(self._end)
        self.channel.consume(queue, most, self, self._started)

    def cancel(self) -> None:
        """Take nothing more; what has come stays unacked."""
        ended: list[bool] = []

        def on_ended() -> None:
            ended.append(True)
            self._link.stop()

        if self._tag and not self.over:
            self.channel.cancel(self._tag, on_ended)
            self._link.expect(lambda: ended or self.over, "the end of a consumer")

    def close(self) -> None:
        """Give back what was not acked."""
        if self.channel.is_open:
            self.arrived = deque(maxlen=0)
            self.channel.close()
            self._link.expect(lambda: self.over, "the end of a channel")

    def on_plain(self, plain: Sequence[Plain]) -> None:
        self.arrived += [Delivered(tag, False, name, None, body) for tag, name, body in plain]
        self._link.stop()

    def on_delivered(self, delivered: Delivered) -> None:
        self.arrived.append(delivered)
        self._link.stop()

    def _started(self, tag: str) -> None:
        self._tag = tag

    def _end(self, _error: BaseException | None = None) -> None:
        self.over = True
        self._link.stop()
