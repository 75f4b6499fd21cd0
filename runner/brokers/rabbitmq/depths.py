"""Queue depths by AMQP alone: passive declarations, and a roll call of the workers.

A passive declaration tells how many messages are ready and how many consumers there are, but
not which, nor what they have in hand. The workers report that, and the caller sums it up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from runner.brokers.base import Depth
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.declaring import ROLL_CALLS
from runner.brokers.rabbitmq.roll_call import read_answer
from runner.topology import PlannedQueue

REPLY_TO = "amq.rabbitmq.reply-to"
"""RabbitMQ's pseudo-queue for direct replies (rabbitmq.com/docs/direct-reply-to)."""
ROLL_CALL_TIMEOUT = 1.0
"""Seconds. A consumer that isn't a worker never answers."""
PAUSED_TIMEOUT = 0.1
"""Seconds to wait for workers that don't consume now, after all consumers have answered: nobody
knows how many there are."""


class Inquiry:
    """One question for the depths of `planned` queues; `done(depths)` gets the answer."""

    def __init__(
        self,
        connection: Connection,
        planned: Sequence[PlannedQueue],
        *,
        later: Callable[[float, Callable[[], None]], None],
        done: Callable[[Mapping[str, Depth]], None],
    ) -> None:
        self._connection = connection
        self._left = list(reversed(planned))
        self._later = later
        self._done = done
        self._counts: dict[str, Counter[str]] = {}
        self._reasons: dict[str, str] = {}
        """Why a worker is paused, by queue."""
        self._called = False
        self._finished = False
        self._open()

    def _open(self) -> None:
        self._connection.open_channel(self._begin)

    def _begin(self, channel: Channel) -> None:
        channel.on_closed(lambda error: self._closed(channel, error))
        self._next(channel)

    def _closed(self, channel: Channel, error: BaseException) -> None:
        """A queue that doesn't exist closes the channel (404): go on without it."""
        if closed_by_broker(error) is not None and not self._finished:
            if self._called:  # no exchange: the consumers are other programs
                self._finish(channel)
            else:
                self._open()

    def _next(self, channel: Channel) -> None:
        if not self._left:
            self._call_roll(channel)
            return
        queue = self._left.pop()

        def counted(ready: int, consumers: int) -> None:
            count = self._counts.setdefault(queue.home, Counter())
            count["found" if queue.kind == "work" else "companions"] += 1
            count[queue.kind] += ready
            if queue.kind == "work":
                count["consumers"] += consumers
            elif queue.kind != "quarantine":
                count["lookers"] += consumers
            self._next(channel)

        channel.look_at_queue(queue.name, counted)

    def _call_roll(self, channel: Channel) -> None:
        def answered(body: bytes, _reply_to: str) -> None:
            for queue, held in read_answer(body).items():
                if (count := self._counts.get(queue)) is not None:
                    count["in_hand"] += held.in_hand
                    count["paused" if held.paused else "workers"] += 1
                    count["ours"] += held.consumers
                    if held.why:
                        self._reasons[queue] = held.why
            if all(count["ours"] >= count["consumers"] for count in self._counts.values()):
                finish_soon()

        def ask() -> None:
            self._called = True
            channel.publish(ROLL_CALLS, "", b"", reply_to=REPLY_TO)
            if not any(count["consumers"] for count in self._counts.values()):
                finish_soon()

        def finish_soon() -> None:
            self._later(PAUSED_TIMEOUT, lambda: self._finish(channel))

        channel.listen(REPLY_TO, answered, ask)
        self._later(ROLL_CALL_TIMEOUT, lambda: self._finish(channel))

    def _finish(self, channel: Channel) -> None:
        if self._finished:
            return
        self._finished = True
        if channel.is_open:
            channel.close()
        found = {queue: count for queue, count in self._counts.items() if count["found"]}
        self._done({queue: _depth(count, self._reasons.get(queue, "")) for queue, count in found.items()})


def _depth(count: Counter[str], why: str) -> Depth:
    return Depth(
        ready=count["work"] + count["quarantine"],
        in_hand=count["in_hand"],
        delayed=count["retry"],
        dead=count["dead"],
        consumers=count["workers"],
        paused=count["paused"],
        why=why,
        strangers=max(0, count["consumers"] - count["ours"]),
        looked_at=count["lookers"] > 0,
    )
