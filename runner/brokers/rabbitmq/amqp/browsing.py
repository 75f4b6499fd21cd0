"""One queue of one node, read from its head to its end by consumers that ack nothing.

When its connection ends, however it ends, RabbitMQ puts what was delivered back in its place.
A quorum queue counts that as a delivery; the queues that are browsed name no limit that this
could reach. Whoever comes second is told so; and no message is in the hands of two.
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
OCCUPIED = "somebody else is looking at it, or consumes it; try again when they have finished"
MISSING = 404
MOST = 60_000
"""Messages that one consumer gets without an ack. AMQP's prefetch has 16 bits, and a quorum queue takes
no prefetch at all for 2,000."""
TAGS = 1 << 32
"""Tags of each reading channel."""


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
            self._link = pika.BlockingConnection(parameters(node, name))
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{node.label}: {error or type(error).__name__}") from error
        self._channel = self._link.channel()
        self._readers: list[Any] = []
        """The channels that read, one after another."""
        self._publishing: Any = None
        self._read: dict[int, Any] = {}
        """The properties of the message that was read last, by its tag."""

    def messages(self) -> Iterator[Browsed]:
        """Those that are ready now, the oldest first. Raises BrokerUnavailableError unless all of them come."""
        try:
            found = self._channel.queue_declare(self._queue, passive=True).method
            if found.consumer_count:  # who may have all of them in hand
                raise BrokerUnavailableError(f"{self._queue}: {OCCUPIED}")
            for start in range(0, found.message_count, MOST):
                yield from self._some(min(MOST, found.message_count - start))
        except pika.exceptions.ChannelClosedByBroker as error:
            if error.reply_code != MISSING:
                raise BrokerUnavailableError(f"{self._queue}: {error.reply_text}") from error
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{self._queue}: {error or type(error).__name__}") from error

    def _some(self, left: int) -> Iterator[Browsed]:
        channel, first = self._link.channel(), len(self._readers) * TAGS
        channel.basic_qos(prefetch_count=MOST)
        self._readers.append(channel)
        for method, properties, body in channel.consume(self._queue, inactivity_timeout=SILENCE):
            if method is None:
                raise BrokerUnavailableError(f"{self._queue}: {left:,} of its messages don't come; {OCCUPIED}")
            tag = first + method.delivery_tag
            self._read = {tag: properties}
            yield Browsed(tag, properties.message_id or "", properties.headers or {}, body)
            left -= 1
            if not left:
                return

    def publish(self, tag: int, exchange: str, key: str, id: str, headers: Mapping[str, Any], payload: bytes) -> str:
        """Publish what was read as `tag`, with its sender's other properties, and wait for the confirm.
        Returns why it was refused; empty: it is on a queue."""
        properties = copy(self._read[tag])
        properties.message_id, properties.headers, properties.delivery_mode = id, dict(headers) or None, 2
        properties.expiration = properties.user_id = properties.priority = None
        try:
            if self._publishing is None:
                self._publishing = self._link.channel()
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
            self._readers[tag // TAGS].basic_ack(tag % TAGS)
        except (pika.exceptions.AMQPError, OSError) as error:
            raise BrokerUnavailableError(f"{self._queue}: {error or type(error).__name__}") from error

    def close(self) -> None:
        """Give everything back, in its order.

        `BlockingConnection.close` would first nack one by one what pika has read ahead, and the queue
        would then begin with that. This is its second half.
        """
        connection = self._link
        with suppress(pika.exceptions.AMQPError, OSError):
            if len(self._readers) > 1:  # what the first gives back must not go to the last
                self._readers[-1].cancel()
            for reader in self._readers[:-1]:
                reader.close()
            if connection.is_open:
                connection._impl.close()  # noqa: SLF001 - see above
                connection._flush_output(connection._closed_result.is_ready)  # noqa: SLF001 - see above
