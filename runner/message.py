"""What travels: `Message` (to a handler), `Delivery` (from a broker), `Outgoing` (to one).

Also the headers that the runner itself writes. None starts with `x-`: RabbitMQ
reserves those, and ignores some of them when a message is republished.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

HEADER_PREFIX = "runner-"
ATTEMPT = "runner-attempt"
"""How many attempts at this message have been made (int); absent: none."""
WAIT = "runner-wait"
"""Milliseconds (int) that a retry still has to wait after its stay on the retry queue, whose
own wait is shorter. A span, not a time of day: clocks differ."""
STAGE = "runner-stage"
ERROR = "runner-error"
"""Why the last attempt failed: with a retry, and with a dead letter."""
LONGEST_ERROR = 1_000
"""Characters of it."""
TRACEBACK = "runner-traceback"
QUEUE = "runner-queue"
"""The queue that a dead letter came from."""
TIME = "runner-time"
"""When it was dead-lettered: RFC 3339, UTC."""
SEALED = "runner-sealed"
"""Of a dead letter whose body was sealed as a whole: why."""
FIRST_ERROR, FIRST_STAGE, FIRST_TIME = "first-error", "first-stage", "first-time"
"""Why a message failed for the first time on its queue, where and when. They begin as a sender's headers do, since
they outlive all later failures, and a replay; they end with a result."""
STRIPPED = "runner-stripped"
"""Why a message is without the headers and properties that its sender wrote."""

LOOKS = "looks"
"""Of what waits to be looked up: how many waits are over (int). It begins as a sender's headers do, since
it has to stay with the message."""
VIA = "via"
"""Of what reaches a queue in several ways: which one (see `ledger.lineage`). It begins so for the same reason."""
LATE = ".00"
"""Ends the id of the copy of a message that waits for a late answer: `root_id` removes it, and no
stage that returns several bodies numbers one so."""

NO_HEADERS: Mapping[str, Any] = MappingProxyType({})


LONGEST_ID = 200
"""Bytes of an id; AMQP has 255, and a stage that returns several bodies adds to it."""
LARGEST_COUNT = 1_000_000
"""The most that a count in a header is taken for: a forged one must stay writable."""


_NUMBERS = re.compile(r"(?:\.[0-9]+)+\Z")


def new_id() -> str:
    """A fresh message id, 32 hexadecimal digits: 12 of the time in milliseconds since 1970, 20 at random (80 bits).

    Ids that stand in the order of their time fill a ledger's pages one after the other; wholly random ones touch
    a page each.
    """
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def is_usable(id: str) -> bool:
    """Whether a message can keep its id: on the wire, in logs, and as a key. Bytes that are no
    UTF-8 have been replaced by U+FFFD, so that several ids may have become one."""
    return all_usable([id])


def all_usable(ids: Sequence[str]) -> bool:
    """The same of many ids (at least one) that take as many bytes each, in one look."""
    joined = "".join(ids)
    return joined.isprintable() and "\ufffd" not in joined and 0 < len(ids[0].encode()) <= LONGEST_ID


def root_id(id: str) -> str:
    """The id of the message that this one came from: without the numbers that stages which return
    several bodies have added."""
    return _NUMBERS.sub("", id) or id if "." in id else id


def number(value: object, most: int = LARGEST_COUNT) -> int:
    """A count that others may have written, at most `most`; nonsense counts as none."""
    return min(value, most) if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def last_error(headers: Mapping[str, Any]) -> str:
    """What the runner's header tells of the last failure; nonsense that others may have written
    tells nothing."""
    error = headers.get(ERROR)
    return error[:LONGEST_ERROR] if isinstance(error, str) else ""


class Message(NamedTuple):
    """One message as a handler sees it; its attributes can't be assigned.

    `id` stays the same from the intake to the last stage, across retries,
    crashes and restarts: use it as the idempotency key of side effects. (A stage
    that returns several bodies gives them `<id>.1`, `<id>.2`, …)
    `attempt` counts from 1. `body` is the parsed JSON, already checked against
    the schema of `queue`. `headers` are those of the message's sender, and of the
    request that brought it, read-only (see `runner.headers`).
    """

    id: str
    body: Any
    queue: str = ""
    attempt: int = 1
    headers: Mapping[str, Any] = NO_HEADERS


class Receipt(dict[str, object]):
    """What a stage has done, returned by its handler: `Receipt(messageId="<…>", answer="250 OK")`.

    `runner find` shows it, masked, where the pipeline has a ledger, so it holds no secrets and no
    personal data. Of a stage that publishes, it is the body like any other mapping.
    """


class Destination(NamedTuple):
    """Where a message is published: an exchange and a routing key.

    The exchange `""` is the default one: `key` is then the name of a queue.
    """

    exchange: str
    key: str

    def __str__(self) -> str:
        return f"{self.exchange}/{self.key}" if self.exchange else self.key


class Outgoing:
    """A message on its way to a broker: bytes, with what the broker needs to know.

    `delay` (seconds) is only for a retry, whose destination is the queue that the
    message was consumed from: the broker holds it back for at least that long.
    `origin` is the delivery that is moved on unchanged (a retry, a dead letter):
    a broker copies the sender's other properties from it, and leaves its headers behind
    where it can't write them (see `STRIPPED`).
    """

    __slots__ = ("delay", "destination", "headers", "id", "origin", "payload")

    def __init__(
        self,
        destination: Destination,
        id: str,
        payload: bytes,
        headers: Mapping[str, Any] = NO_HEADERS,
        *,
        delay: float = 0.0,
        origin: Delivery | None = None,
    ) -> None:
        self.destination = destination
        self.id = id
        self.payload = payload
        self.headers = headers
        self.delay = delay
        self.origin = origin

    def __repr__(self) -> str:  # never the payload: it may hold a card number
        wait = f", delay={self.delay}" if self.delay else ""
        return f"Outgoing({self.destination}, id={self.id}{wait})"


class Session:
    """The span in which deliveries are valid: one connection's life.

    When it ends (`open` turns False), its deliveries belong to the broker again;
    settling one then does nothing, and starting work on one is a waste.
    """

    __slots__ = ("open",)

    def __init__(self) -> None:
        self.open = True


class Delivery:
    """One message in hand, which the broker keeps until it is settled or released.

    `headers` are those of the message's sender, without what the runner or the broker
    added. `attempt` is the number of this attempt, from 1: those counted in the message's
    header, those that died with their worker, and this one. `deaths` is how many of them
    died since the message was last published: at the first death it was in hand together
    with others, from then on alone. `error` is why the last attempt failed,
    as far as its header tells. `unreadable` says why it can't be handled at all, if the
    broker couldn't read all of it. `tag` and `broker_data` belong to the broker that
    handed out the delivery: what it needs to settle it or to move it on. No other code reads
    them, and no other broker understands them. `opened` has the sensitive values that its handler
    have open; None: nothing in its body is sealed. `receipt` is what its handler says it has done.
    `traceparent` names the span of this attempt, if the message belongs to a trace.
    """

    __slots__ = (
        "attempt",
        "broker_data",
        "deaths",
        "error",
        "headers",
        "id",
        "opened",
        "payload",
        "queue",
        "receipt",
        "session",
        "tag",
        "traceparent",
        "unreadable",
    )

    def __init__(
        self,
        queue: str,
        id: str,
        payload: bytes,
        headers: Mapping[str, Any],
        attempt: int,
        session: Session,
        tag: int,
        broker_data: Any = None,
        deaths: int = 0,
        unreadable: str = "",
        error: str = "",
    ) -> None:
        self.queue = queue
        self.id = id
        self.payload = payload
        self.headers = headers
        self.attempt = attempt
        self.session = session
        self.tag = tag
        self.broker_data = broker_data
        self.deaths = deaths
        self.unreadable = unreadable
        self.error = error
        self.opened: Sequence[str] | None = None
        self.receipt: Receipt | None = None
        self.traceparent = ""

    def __repr__(self) -> str:  # never the payload: it may hold a card number
        return f"Delivery({self.queue}, id={self.id}, attempt={self.attempt})"
