"""A connection whose owner waits for each answer: for a command, which does one thing at a time.

Its event loop runs only while somebody waits. So nothing is read that nobody has asked for: a
backlog stays with the broker, not in memory. There are no heartbeats, which nobody would send
in between. Left out: what is said over it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress

import pika.exceptions
import uvloop

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.errors import BrokerUnavailableError

ANSWER_TIMEOUT = 30.0
"""Seconds that the broker has for an answer."""


class Link:
    """A connection to `node`. Raises BrokerUnavailableError, as its methods do. Only from one thread."""

    def __init__(self, node: BrokerNode, name: str) -> None:
        self._label = node.label
        self._ended: BaseException | str | None = None
        self._turns = uvloop.new_event_loop()
        self._turns.set_exception_handler(
            lambda _loop, context: self._end(context.get("exception") or "internal error")
        )
        given = parameters(node, name)
        given.heartbeat = 0
        self._line = Connection(
            given,
            self._turns,
            soon=self._soon,
            opened=lambda _: self.stop(),
            failed=self._end,
            closed=self._end,
        )
        try:
            self.expect(lambda: self._line.is_open, "an open connection")
        except BrokerUnavailableError:
            self._turns.close()
            raise

    @property
    def version(self) -> str:
        """Of the broker, as it says itself; empty if it doesn't."""
        return self._line.version

    def stop(self) -> None:
        """Whoever waits may look again. To be called whenever something has happened."""
        self._turns.stop()

    def wait(self, done: Callable[[], object], timeout: float) -> bool:
        """Let the connection work until `done()`, for at most `timeout` seconds. Returns whether it is."""
        deadline = time.monotonic() + timeout
        while not done():
            if self._ended is not None:
                raise BrokerUnavailableError(f"{self._label}: {explain(self._ended)}")
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            timer = self._turns.call_later(left, self._turns.stop)
            self._turns.run_forever()
            timer.cancel()
        return True

    def expect(self, done: Callable[[], object], what: str) -> None:
        """The same for an answer that has to come."""
        if not self.wait(done, ANSWER_TIMEOUT):
            raise BrokerUnavailableError(f"{self._label}: no answer within {ANSWER_TIMEOUT:g} s ({what})")

    def channel(self) -> Channel:
        """A new channel."""
        opened: list[Channel] = []

        def on_open(channel: Channel) -> None:
            opened.append(channel)
            channel.on_closed(lambda _: self.stop())
            self.stop()

        try:
            self._line.open_channel(on_open)
        except pika.exceptions.ConnectionWrongStateError:
            raise BrokerUnavailableError(f"{self._label}: the connection is lost") from None
        self.expect(lambda: opened, "a channel")
        return opened[0]

    def turn(self) -> None:
        """Send what was written, and take in what has come."""
        self._line.flush()
        before = -1
        while before < (before := self._line.bytes_received):
            self._turns.call_soon(self._turns.stop)
            self._turns.run_forever()

    def close(self, timeout: float = ANSWER_TIMEOUT) -> bool:
        """Hang up. Returns whether the broker has taken what was written before; it has `timeout` seconds."""
        if self._turns.is_closed():
            return False
        good = self._line.is_open
        if good:
            self._line.close()
            with suppress(BrokerUnavailableError):
                good = self.wait(lambda: self._line.is_closed, timeout)
        if not self._line.is_closed:
            self._line.drop()
            self._turns.call_soon(self._turns.stop)
            self._turns.run_forever()
        self._turns.close()
        return good

    def _soon(self, function: Callable[[], None]) -> None:
        self._turns.call_soon(function)

    def _end(self, error: BaseException | str) -> None:
        self._ended = error
        self.stop()
