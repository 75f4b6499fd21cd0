"""What was delivered → a delivery in hand: its headers, and the attempt that it is.

Decides, too, where a delivery has to go before it may be handled; `consuming` acts on it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.session import ChannelSession
from runner.message import ATTEMPT, HEADER_PREFIX, NO_HEADERS, NOT_BEFORE, Delivery, Destination, Outgoing, new_id

DELIVERY_COUNT = "x-delivery-count"
"""How often a quorum queue has delivered a message before (absent: never)."""
DEATHS = f"{HEADER_PREFIX}deaths"
"""With a message that was released from the quarantine: the deaths behind it."""
BROKER_HEADERS = ("x-death", DELIVERY_COUNT, "x-acquired-count", "x-first-death-", "x-last-death-", HEADER_PREFIX)
"""What the broker or the runner wrote, as opposed to the message's sender."""


def read(queue: str, session: ChannelSession, delivered: Delivered, *, deaths: int = 0, counted: int = 0) -> Delivery:
    """What the broker has delivered, in hand from now on; `deaths` deliveries of it came to
    nothing, of which its header has `counted`."""
    tag, _, message_id, properties, body = delivered
    headers = properties.headers if properties is not None else None
    sent, attempted = (_sender_headers(headers), number(headers, ATTEMPT)) if headers else (NO_HEADERS, 0)
    attempt = attempted + deaths - counted + 1
    delivery = Delivery(queue, message_id or new_id(), body, sent, attempt, session, tag, properties, deaths)
    session.in_hand[tag] = delivery
    return delivery


def died(delivered: Delivered, *, counts_deliveries: bool) -> bool:
    """Whether a holder of the message has died; a classic queue knows of the last delivery only."""
    return number(_headers(delivered), DELIVERY_COUNT) > 0 if counts_deliveries else delivered.redelivered


def too_early(delivered: Delivered) -> float:
    """Seconds until a retry is due; nothing is early that is no retry."""
    return number(_headers(delivered), NOT_BEFORE) / 1000 - time.time()


class Moved(Outgoing):
    """A message that only changes its place: it is no event."""

    __slots__ = ()


def moved(delivery: Delivery, queue: str, delay: float = 0.0) -> Moved:
    """The message as it came, on its way to another place: no attempt was made of it."""
    headers = {**delivery.headers, ATTEMPT: delivery.attempt - 1}
    return Moved(Destination("", queue), delivery.id, delivery.payload, headers, delay=delay, origin=delivery)


def _headers(delivered: Delivered) -> Mapping[str, Any] | None:
    return delivered.properties.headers if delivered.properties is not None else None


def _sender_headers(headers: Mapping[str, Any]) -> Mapping[str, Any]:
    return {name: value for name, value in headers.items() if not name.startswith(BROKER_HEADERS)}


def number(headers: Mapping[str, Any] | None, name: str) -> int:
    """A header's number; a foreign program's nonsense counts as none."""
    value = headers.get(name, 0) if headers else 0
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
