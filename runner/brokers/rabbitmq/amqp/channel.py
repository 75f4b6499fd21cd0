"""An AMQP channel, with types: everything that the broker does on one.

pika's own channel stays inside. What comes by the thousand (deliveries, confirms, acks and
publishes) bypasses it, by the short way of `wire`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pika
import pika.channel
from pika.spec import Basic, BasicProperties

from runner.brokers.rabbitmq.amqp.fields import Properties
from runner.brokers.rabbitmq.amqp.frames import Delivered, ack_frame
from runner.brokers.rabbitmq.amqp.wire import Inbound, Wire
from runner.pipeline import ExchangeType

Done = Callable[[], None]

REJECTS_AFTER_CANCEL = tuple(map(int, pika.__version__.split(".")[:2])) < (1, 5)
"""Whether pika rejects what is delivered between a cancel and the broker's confirmation."""


class Channel:
    """A channel that is open, or was. Only from the I/O thread.

    Callbacks are called there, too, and must return at once.
    """

    def __init__(self, wire: Wire, channel: pika.channel.Channel, frame_max: int) -> None:
        self._wire = wire
        self._channel = channel
        self.number: int = channel.channel_number
        self.frame_max = frame_max
        """Bytes, as client and broker have agreed."""
        self.write = wire.write
        """`write(*frames)`: send these soon, with everything that has come together by then."""
        self.on_closed(self._forget)

    @property
    def is_open(self) -> bool:
        return bool(self._channel.is_open)

    def close(self) -> None:
        """Close it in good order. Raises pika's ChannelWrongStateError if it isn't open."""
        self._channel.close()

    def on_closed(self, told: Callable[[BaseException], None]) -> None:
        """`told(error)` is called when either side closes it, or its connection is lost."""
        self._channel.add_on_close_callback(lambda _channel, error: told(error))

    def _forget(self, _error: BaseException) -> None:
        self._wire.deliveries.pop(self.number, None)
        self._wire.acks.pop(self.number, None)

    # -- publishing ---------------------------------------------------------------------

    def confirm(self, told: Callable[..., None], returned: Callable[[str, str, str], None]) -> None:
        """Have everything confirmed that is published from here on: `told(tag, multiple)` for an
        ack, `told(tag, multiple, True)` for a nack. `returned(exchange, key, message_id)` comes
        before the ack of a message that no queue has taken."""

        def told_by_pika(frame: Any) -> None:  # a nack, or an ack before the short way was there
            method = frame.method
            told(method.delivery_tag, method.multiple, not isinstance(method, Basic.Ack))

        def returned_by_pika(_channel: object, method: Any, properties: BasicProperties, _body: bytes) -> None:
            returned(method.exchange, method.routing_key, properties.message_id or "")

        self._channel.add_on_return_callback(returned_by_pika)
        self._channel.confirm_delivery(told_by_pika)
        self._wire.acks[self.number] = told

    def publish(self, exchange: str, key: str, body: bytes, *, reply_to: str | None = None) -> None:
        """Publish a message that may be lost, such as a question or its answer."""
        self._channel.basic_publish(exchange, key, body, BasicProperties(reply_to=reply_to))

    # -- consuming ----------------------------------------------------------------------

    def consume(self, queue: str, prefetch: int, inbound: Inbound, started: Callable[[str], None]) -> None:
        """Take from `queue`, at most `prefetch` unacked at a time, for `inbound`.
        `started(tag)` is called when the broker has confirmed the consumer."""

        def deliver_large(_channel: object, method: Any, properties: BasicProperties, body: bytes) -> None:
            inbound.on_delivered(_delivered(method, properties, body))

        self._wire.deliveries[self.number] = inbound
        self._channel.basic_qos(prefetch_count=prefetch)
        self._channel.basic_consume(queue, deliver_large, callback=lambda frame: started(frame.method.consumer_tag))

    def cancel(self, tag: str, ended: Done) -> None:
        """End the consumer `tag`; deliveries still come until `ended` is called."""
        self._channel.basic_cancel(tag, lambda _frame: ended())
        if REJECTS_AFTER_CANCEL:
            # On a quorum queue a reject counts as an attempt. We take it, and it is released.
            self._channel._cancelled.discard(tag)  # noqa: SLF001 - pika 1.4 has no public way to keep these

    def on_cancelled(self, told: Done) -> None:
        """`told()` is called when the broker ends a consumer: its queue was deleted."""
        self._channel.add_on_cancel_callback(lambda _frame: told())

    def ack(self, tag: int, *, multiple: bool) -> None:
        """Ack the delivery `tag`, or all up to it. Nothing leaves by a channel that is closed."""
        if self.is_open:
            self.write(ack_frame(self.number, tag, multiple))

    def get(self, queue: str, got: Callable[[Delivered], None]) -> None:
        """Ask for one message; for an empty queue, the callback of `on_empty` is called. Don't ask
        again before the answer."""
        self._channel.basic_get(
            queue, lambda _channel, method, properties, body: got(_delivered(method, properties, body))
        )

    def on_empty(self, told: Done) -> None:
        """`told()` is called when the queue of a `get` is empty."""
        self._channel.add_callback(lambda _frame: told(), [Basic.GetEmpty], one_shot=False)

    def listen(self, queue: str, heard: Callable[[bytes, str], None], started: Done | None = None) -> None:
        """Take messages that may be lost, acked on delivery: `heard(body, reply_to)`."""

        def deliver(_channel: object, _method: object, properties: BasicProperties, body: bytes) -> None:
            heard(body, properties.reply_to or "")

        self._channel.basic_consume(queue, deliver, auto_ack=True, callback=_then(started))

    # -- declaring ----------------------------------------------------------------------

    def declare_exchange(self, name: str, type: ExchangeType, done: Done) -> None:
        """A durable exchange."""
        self._channel.exchange_declare(name, type, durable=True, callback=_then(done))

    def declare_queue(self, name: str, arguments: Mapping[str, Any], done: Done) -> None:
        """A durable queue, neither exclusive nor auto-delete: anything else isn't portable
        for quorum queues, and refused from RabbitMQ 4.3 on."""
        self._channel.queue_declare(name, durable=True, arguments=dict(arguments), callback=_then(done))

    def declare_own_queue(self, done: Callable[[str], None]) -> None:
        """A queue that lives as long as the connection; `done` gets its name."""
        self._channel.queue_declare("", exclusive=True, callback=lambda frame: done(frame.method.queue))

    def look_at_queue(self, name: str, done: Callable[[int, int], None]) -> None:
        """`done(ready, consumers)` gets its counts. One that doesn't exist closes the channel (404)."""

        def counted(frame: Any) -> None:
            done(frame.method.message_count, frame.method.consumer_count)

        self._channel.queue_declare(name, passive=True, callback=counted)

    def look_at_exchange(self, name: str, done: Done) -> None:
        """One that doesn't exist closes the channel (404)."""
        self._channel.exchange_declare(name, passive=True, callback=_then(done))

    def declare_queue_of_mine(self, name: str, done: Done) -> None:
        """One that lives as long as the connection, and only it may use."""
        self._channel.queue_declare(name, exclusive=True, callback=_then(done))

    def delete_queue(self, name: str, done: Done) -> None:
        """With whatever is on it."""
        self._channel.queue_delete(name, callback=_then(done))

    def bind(self, queue: str, exchange: str, key: str = "", done: Done | None = None) -> None:
        self._channel.queue_bind(queue, exchange, key, callback=_then(done))


def _then(done: Done | None) -> Callable[[object], None] | None:
    return None if done is None else lambda _frame: done()


def _delivered(method: Any, properties: BasicProperties, body: bytes) -> Delivered:
    """What came pika's way: a large message, or one that was asked for."""
    values = Properties(**{name: getattr(properties, name) for name in Properties.__dataclass_fields__})
    return Delivered(method.delivery_tag, method.redelivered, values.message_id or "", values, body)
