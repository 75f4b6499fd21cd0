"""A question to all workers, over the exchange of the roll calls, and their answers.

It is asked again and again, so that workers that come later hear it, too, and all of them notice
when nobody asks any more. Left out: what is asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from runner.brokers.base import ASK_EVERY
from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.declaring import ROLL_CALLS
from runner.brokers.rabbitmq.depths import REPLY_TO


class Line(Protocol):
    """A connection that comes back."""

    @property
    def current(self) -> Connection | None: ...

    def later(self, delay: float, function: Callable[[], None]) -> None: ...


class Asking:
    """Asks `question` until it is stopped. Only on the I/O thread, except `stop`."""

    def __init__(self, line: Line, question: bytes, heard: Callable[[bytes], None]) -> None:
        self._line = line
        self._question = question
        self._heard = heard
        self._way: Channel | None = None
        self._opening: Connection | None = None
        """Where a channel is being opened."""
        self._over = False

    def stop(self) -> None:
        """From any thread."""
        self._over = True

    def ask(self) -> None:
        """Once now, and again later."""
        channel, connection = self._way, self._line.current
        if self._over:
            if channel is not None and channel.is_open:
                channel.close()
            return
        if channel is not None and channel.is_open:
            channel.publish(ROLL_CALLS, "", self._question, reply_to=REPLY_TO)
        elif connection is not None and self._opening is not connection:
            self._way, self._opening = None, connection
            connection.open_channel(self._use)
        self._line.later(ASK_EVERY, self.ask)

    def _use(self, channel: Channel) -> None:
        def listening() -> None:
            self._way, self._opening = channel, None
            channel.publish(ROLL_CALLS, "", self._question, reply_to=REPLY_TO)

        def closed(_error: BaseException) -> None:
            """Such as 404: no worker has ever declared the exchange."""
            self._way = self._opening = None

        channel.on_closed(closed)
        channel.listen(REPLY_TO, lambda body, _reply_to: self._heard(body), listening)
