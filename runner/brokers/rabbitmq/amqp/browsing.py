"""One queue of one node, read from its head to its end by a consumer that acks nothing.

When its connection ends, however it ends, RabbitMQ puts what was delivered back in its place.
A quorum queue counts that as a delivery; the queues that are browsed name no limit that this
could reach. The consumer is exclusive: whoever comes second is told so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import copy
from typing import Any, NamedTuple

import pika
import pika.exceptions

from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.amqp.parameters import parameters
from runner.errors import BrokerUnavailableError

SILENCE = 5.0
"""Seconds without a delivery after which nothing more comes."""
IN_USE = 403
MISSING = 404
LOCKED = 405


class Browsed(NamedTuple):
    """A message as it lies on the queue."""

    tag: int
    id: str
    headers: Mapping[str, Any]
    payload: bytes


class Browser:
    """A connection of its own to `node`, for one queue. Raises BrokerUnavailableError, as its methods do."""

    def __init__(self, node: BrokerNode, name: str, queue: str) -> None:
        self._queue = queue
        try:
            self._connection = pika.BlockingConnection(parameters(node, name))
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{node.label}: {error or type(error).__name__}") from error
        self._channel = self._connection.channel()
        self._publishing: Any = None
        self._read: dict[int, Any] = {}
        """The properties of the message that was read last, by its tag."""

    def messages(self) -> Iterator[Browsed]:
        """Those that are ready now, the oldest first."""
        try:
            channel = self._channel
            left = channel.queue_declare(self._queue, passive=True).method.message_count
            if not left:
                return
            for method, properties, body in channel.consume(self._queue, exclusive=True, inactivity_timeout=SILENCE):
                if method is None:  # somebody else has taken what is missing
                    return
                self._read = {method.delivery_tag: properties}
                yield Browsed(method.delivery_tag, properties.message_id or "", properties.headers or {}, body)
                left -= 1
                if not left:
                    return
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code == MISSING:
                return
            raise BrokerUnavailableError(f"{self._queue}: {_reason(error)}") from error
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{self._queue}: {error or type(error).__name__}") from error

    def publish(self, tag: int, exchange: str, key: str, id: str, headers: Mapping[str, Any], payload: bytes) -> str:
        """Publish what was read as `tag`, with its sender's other properties, and wait for the confirm.
        Returns why it was refused; empty: it is on a queue."""
        properties = copy(self._read[tag])
        properties.message_id, properties.headers, properties.delivery_mode = id, dict(headers) or None, 2
        properties.expiration = properties.user_id = properties.priority = None
        try:
            if self._publishing is None:
                self._publishing = self._connection.channel()
                self._publishing.confirm_delivery()
            self._publishing.basic_publish(exchange, key, payload, properties, mandatory=True)
        except pika.exceptions.UnroutableError:
            return "it leads to no queue"
        except pika.exceptions.NackError:
            return "the broker has refused it; the queue may be full"
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{self._queue}: {error or type(error).__name__}") from error
        return ""

    def ack(self, tag: int) -> None:
        """Take away what was read as `tag`."""
        try:
            self._channel.basic_ack(tag)
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{self._queue}: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Give everything back, in its order.

        `BlockingConnection.close` would first nack one by one what pika has read ahead, and the queue
        would then begin with that. This is its second half.
        """
        connection = self._connection
        with suppress(pika.exceptions.AMQPError, OSError):
            if connection.is_open:
                connection._impl.close()  # noqa: SLF001 - see above
                connection._flush_output(connection._closed_result.is_ready)  # noqa: SLF001 - see above


def _reason(error: pika.exceptions.ChannelClosedByBroker) -> str:
    if error.reply_code in (IN_USE, LOCKED):
        return "somebody else is looking at it, or consumes it; try again when they have finished"
    return str(error.reply_text)
