"""A consumer that holds a page of a queue: all that has come is in memory, and nothing on the wire.

What it holds goes back to the head of the queue, in its order, when its channel is closed.
Left out: which page is next (see `browsing`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.templates import Plain
from runner.errors import BrokerUnavailableError

SILENCE = 5.0
"""Seconds without a delivery after which nothing more comes."""
MOST = 5_000
"""Messages of a page."""
GROWTH = 8
"""How many times larger the next page may be."""
BYTES = 8 << 20
"""Of all bodies of a page; it is given back when they are twice as many."""


class Reader:
    """Holds up to `most` messages of `queue`, which it doesn't ack; whatever is acked makes room for the next.
    Without `keeps` it drops what comes: then it only holds."""

    def __init__(self, link: Link, queue: str, most: int, *, keeps: bool = True) -> None:
        self._link = link
        self._queue = queue
        self.most = most
        self._keeps = keeps
        self._arrived: deque[Delivered] = deque()
        self._waiting_bytes = self._all_bytes = 0
        self._received = self._acked = 0
        self.taken = 0
        """How many of those that it holds somebody has seen."""
        self._over = False
        self._tag = ""
        self._channel = link.channel()
        self._channel.on_closed(self._end)
        self._channel.on_cancelled(self._end)
        self._channel.consume(queue, most, self, self._started)
        link.expect(lambda: self._tag or self._over, "a consumer")

    def fill(self) -> None:
        """Wait until it holds all that it may. Raises BrokerUnavailableError if that doesn't come."""
        while not (self.full or self.too_large):
            self._wait_for_more(than=self._received)

    @property
    def full(self) -> bool:
        """Whether nothing comes before something is acked."""
        return self._received - self._acked >= self.most

    @property
    def held(self) -> int:
        """How many it will give back."""
        return self._received - self._acked

    @property
    def too_large(self) -> bool:
        """Whether it has to be given back. One message has to fit, whatever its size."""
        return self._waiting_bytes > 2 * BYTES and self.most > 1

    @property
    def next_most(self) -> int:
        """How many messages the next page may have, by the size of these."""
        fitting = max(1, BYTES * self._received // max(1, self._all_bytes))
        return min(MOST, fitting, max(1, self.most // 2) if self.too_large else self.most * GROWTH)

    def take(self) -> Delivered | None:
        """The next one; None: there is none, before somebody acks. Raises BrokerUnavailableError if it doesn't come."""
        if not self._arrived:
            if self.full:
                return None
            self._wait_for_more(than=self._received)
        found = self._arrived.popleft()
        self._waiting_bytes -= len(found.body)
        self.taken += 1
        return found

    def ack(self, tag: int) -> None:
        """Take away the one with this tag, which was taken last."""
        self._channel.ack(tag, multiple=False)
        self._acked += 1
        self.taken -= 1
        self._link.turn()

    def settle(self) -> None:
        """Wait until nothing is on its way: acks have made room, and what RabbitMQ sends to a consumer that
        has gone comes back behind all others. What comes now is only held."""
        self._keeps = False
        before = self._received
        while not self._over and not self.full and self._ready():
            self._wait_for_more(than=before)
            before = self._received
        self._ready()  # its answer comes behind what was sent before the first

    def _ready(self) -> int:
        """How many more there are on the queue, asked for by its own channel."""
        counts: list[int] = []

        def counted(ready: int, _consumers: int) -> None:
            counts.append(ready)
            self._link.stop()

        if not self._over:
            self._channel.look_at_queue(self._queue, counted)
            self._link.expect(lambda: counts or self._over, "how many there are")
        return counts[0] if counts else 0

    def cancel(self) -> None:
        """Let nothing more come."""
        ended: list[bool] = []

        def on_ended() -> None:
            ended.append(True)
            self._link.stop()

        tag, self._tag = self._tag, ""
        if tag and not self._over:
            self._channel.cancel(tag, on_ended)
            self._link.expect(lambda: ended or self._over, "the end of a consumer")

    def give_back(self) -> None:
        """All that wasn't acked."""
        if self._channel.is_open:
            self._keeps = False
            self._channel.close()
            self._link.expect(lambda: self._over, "the end of a channel")

    def on_plain(self, plain: Sequence[Plain]) -> None:
        for tag, name, body in plain:
            self.on_delivered(Delivered(tag, False, name, None, body))

    def on_delivered(self, delivered: Delivered) -> None:
        self._received += 1
        if self._keeps:
            self._arrived.append(delivered)
            self._waiting_bytes += len(delivered.body)
            self._all_bytes += len(delivered.body)
        self._link.stop()

    def _wait_for_more(self, than: int) -> None:
        """Wait until more than this have come in all."""
        came = self._link.wait(lambda: self._received > than or self._over, SILENCE)
        if not came or self._received == than:
            raise BrokerUnavailableError(
                f"{self._queue}: its messages don't come any more; somebody else takes them; try again"
            )

    def _started(self, tag: str) -> None:
        self._tag = tag
        self._link.stop()

    def _end(self, _error: BaseException | None = None) -> None:
        self._over = True
        self._link.stop()
