"""What was delivered → a delivery in hand: its headers, and the number of its attempt.

Also decides where a delivery has to go before it may be handled; `consuming` acts on that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.session import ChannelSession
from runner.errors import LONGEST_DELAY
from runner.message import (
    ATTEMPT,
    ERROR,
    HEADER_PREFIX,
    LARGEST_COUNT,
    NO_HEADERS,
    WAIT,
    Delivery,
    Destination,
    Outgoing,
    is_usable,
    last_error,
    new_id,
    number,
)

DELIVERY_COUNT = "x-delivery-count"
"""How often a quorum queue has delivered a message before (absent: never)."""
ACQUIRED_COUNT = "x-acquired-count"
"""How often RabbitMQ 4.3 has taken it back from a living consumer, after its time-out."""
DEATHS = f"{HEADER_PREFIX}deaths"
"""Of a message that was released from the quarantine: the deaths behind it."""
OTHERS_HEADERS = ("x-", HEADER_PREFIX)
"""How the broker's and the runner's headers begin."""
INSTRUCTIONS = ("cc", "bcc")
"""Headers that are orders to RabbitMQ: it would route each message that has them to the queues
that they name as well (rabbitmq.com/docs/sender-selected), a retry and a dead letter too."""
LONGEST_WAIT = round(LONGEST_DELAY * 1000)
"""Milliseconds."""


def read_delivery(
    queue: str, session: ChannelSession, delivered: Delivered, *, deaths: int = 0, counted: int = 0
) -> Delivery:
    """What the broker delivered, in hand from now on; `deaths` deliveries of it failed, of which
    its header has `counted`."""
    tag, _, message_id, properties, body = delivered
    if not is_usable(message_id):
        message_id = new_id()
    headers = properties.headers if properties is not None else None
    sent, attempted = (_sender_headers(headers), header_number(headers, ATTEMPT)) if headers else (NO_HEADERS, 0)
    error = last_error(headers) if headers else ""
    attempt = attempted + deaths - counted + 1
    delivery = Delivery(queue, message_id, body, sent, attempt, session, tag, properties, deaths, "", error)
    session.in_hand[tag] = delivery
    return delivery


def returns(delivered: Delivered, *, counts_deliveries: bool) -> int:
    """How often the message was taken and came back: its holder has died, or was too slow for
    the broker. A classic queue knows of the last delivery only."""
    if not counts_deliveries:
        return int(delivered.redelivered)
    headers = _headers(delivered)
    return max(header_number(headers, DELIVERY_COUNT), header_number(headers, ACQUIRED_COUNT))


def left_to_wait(delivered: Delivered) -> float:
    """Seconds until a retry is due; 0 for anything else."""
    return header_number(_headers(delivered), WAIT, LONGEST_WAIT) / 1000


class Moved(Outgoing):
    """A message that only changes its place: not an event."""

    __slots__ = ()


def moved(delivery: Delivery, queue: str, delay: float = 0.0) -> Moved:
    """The message as it came, on its way to another place: no attempt was made of it."""
    home = Destination("", queue)
    return Moved(home, delivery.id, delivery.payload, kept(delivery), delay=delay, origin=delivery)


def kept(delivery: Delivery) -> dict[str, Any]:
    """The headers of a message of which no attempt was made: its count, and why the last one failed, stay."""
    failed = {ERROR: delivery.error} if delivery.error else {}
    return {**delivery.headers, ATTEMPT: delivery.attempt - 1, **failed}


def _headers(delivered: Delivered) -> Mapping[str, Any] | None:
    return delivered.properties.headers if delivered.properties is not None else None


def _sender_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    """The headers that may travel on with the message."""
    return {
        name: value
        for name, value in headers.items()
        if not name.lower().startswith(OTHERS_HEADERS) and name.lower() not in INSTRUCTIONS
    }


def header_number(headers: Mapping[str, Any] | None, name: str, most: int = LARGEST_COUNT) -> int:
    """A header's number, at most `most`; a foreign program's nonsense counts as none."""
    return number(headers.get(name), most) if headers else 0
