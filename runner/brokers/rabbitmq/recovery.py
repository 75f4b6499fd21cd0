"""What happens when the connection comes or goes, and how to put back what is gone from the
broker. `life` has the states; this does the work in them, only on the I/O thread.

Left out: which node is tried when (see `connection`).
"""

from __future__ import annotations

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import explain
from runner.brokers.rabbitmq.connection import RobustConnection
from runner.brokers.rabbitmq.consumers import Consumers
from runner.brokers.rabbitmq.life import Change, Life, State
from runner.brokers.rabbitmq.repairs import Repairs
from runner.brokers.rabbitmq.settling import Settling
from runner.events import Events


class Recovery:
    """Keeps a connection in use: declared, published on, consumed on."""

    def __init__(
        self,
        connection: RobustConnection,
        life: Life,
        repairs: Repairs,
        settling: Settling,
        consumers: Consumers,
        events: Events,
    ) -> None:
        self._connection = connection
        self._life = life
        self._repairs = repairs
        self._settling = settling
        self._publisher = settling.publisher
        self._consumers = consumers
        self._events = events

    # -- the connection -----------------------------------------------------------------

    def opened(self, connection: Connection) -> None:
        """There is a connection: declare, then open channels."""
        _, state = self._life.happened(Change.OPENED)
        if state is State.PREPARING:
            connection.on_blocked(self._blocked, self._unblocked)
            self._repairs.declare(self._open_publishing)

    def lost(self, reason: str) -> None:
        """The connection is gone, or couldn't be made."""
        before, _ = self._life.happened(Change.LOST)
        if before in (State.READY, State.REPAIRING):
            self._events.disconnected(self._connection.node, reason, mends=True)
        elif not self._life.ending and not self._life.was_refused and reason != self._life.trouble:
            self._events.waiting(self._connection.node, reason)
        self._life.blocked, self._life.trouble = "", reason
        self._repairs.forget()
        self._settling.forget()
        self._consumers.detach()
        self._publisher.detach(
            f"the connection was lost before the broker confirmed; the message may have been stored ({reason})"
        )

    def refused(self, reason: str) -> None:
        """The broker answered, and refused a connection."""
        self._life.refused(self._connection.node, reason)

    def _blocked(self, reason: str) -> None:
        self._life.blocked = f"the broker takes no messages now: {reason}"
        self._events.blocked(self._connection.node, reason)

    def _unblocked(self) -> None:
        self._life.blocked = ""
        self._events.unblocked(self._connection.node)

    # -- the publishing channel ---------------------------------------------------------

    def _open_publishing(self) -> None:
        """This channel first: deliveries need a way out."""
        connection = self._connection.current
        if connection is not None:
            connection.open_channel(self._publish_on)

    def _publish_on(self, channel: Channel) -> None:
        channel.on_closed(lambda error: self._publishing_closed(channel, error))
        self._publisher.attach(channel, self._repairs.unroutable)
        again = self._life.was_ready
        before, state = self._life.happened(Change.CHANNEL_OPENED)
        self._settling.send_waiting()
        if (before, state) == (State.PREPARING, State.READY):
            connection = self._connection.current
            if connection is not None:
                self._consumers.attach(connection)
            self._ready(again)

    def _ready(self, again: bool) -> None:
        self._life.trouble = ""
        self._events.connected(self._connection.node, again)
        if not self._life.first.given:
            self._life.first.give()

    def _publishing_closed(self, channel: Channel, error: BaseException) -> None:
        """An exchange that doesn't exist closes the channel (404): put it back, and go on."""
        if channel is self._publisher.channel:
            self._life.happened(Change.CHANNEL_CLOSED)
            self._publisher.detach(f"the channel was closed: {explain(error)}")
            self._repairs.mend(f"the publishing channel was closed: {explain(error)}", self._open_publishing)
