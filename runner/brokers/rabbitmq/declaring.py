"""Declaring a topology, one step after another, and wording what the broker refuses."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Literal

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.arguments import arguments
from runner.topology import Topology
from runner.wording import facts

log = logging.getLogger("runner.broker")

ROLL_CALLS = "runner.status"
"""The exchange where the workers are asked how much they have in hand (see `depths`)."""

_FINAL = (403, 406)
"""Access refused, and declared with other arguments. The other codes tell of a state of the
broker that may pass: a queue without a leader, say."""

INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for (?P<kind>exchange|queue) '(?P<name>[^']+)' "
    r"in vhost '(?P<vhost>[^']+)': received (?:the value )?(?P<ours>.+?)(?: of type '\w+')? "
    r"but current is (?:the value )?(?P<theirs>.+?)(?: of type '\w+')?$"
)

_OLDER = (
    "queue '%s' was made by an earlier version, without x-delivery-limit: from RabbitMQ 4.0 on "
    "a dead letter on it vanishes at the 21st look. Make it anew with what is on it: 'runner apply --migrate'"
)

Refused = Literal["exchange", "queue"]
"""What the broker refuses to declare."""

Step = Callable[[Callable[[], None]], None]
"""One declaration; it calls what it is given when the broker has confirmed it."""


def declare(
    connection: Connection,
    topology: Topology,
    *,
    done: Callable[[], None],
    failed: Callable[[str, bool], None],
) -> None:
    """Declare everything in `topology` on its own channel, which is closed afterwards.

    Calls `done()`, or `failed(reason, final)` with a sentence for the operator, and whether
    only a person can mend it. Calls neither if the connection is lost meanwhile.
    """
    _Declaring(connection, topology, done, failed).begin()


class _Declaring:
    """Declares one topology; starts again without a queue of an earlier version that has to stay."""

    def __init__(
        self,
        connection: Connection,
        topology: Topology,
        done: Callable[[], None],
        failed: Callable[[str, bool], None],
    ) -> None:
        self._connection = connection
        self._topology = topology
        self._done = done
        self._failed = failed
        self._kept: set[str] = set()
        """The queues that stay as they are."""

    def begin(self) -> None:
        self._connection.open_channel(self._on_channel)

    def _on_channel(self, channel: Channel) -> None:
        channel.on_closed(self._on_closed)
        self._proceed(channel, _steps(channel, self._topology, self._kept))

    def _proceed(self, channel: Channel, steps: Iterator[Step]) -> None:
        step = next(steps, None)
        if step is not None:
            step(lambda: self._proceed(channel, steps))
        else:
            channel.close()
            self._done()

    def _on_closed(self, error: BaseException) -> None:
        refusal = closed_by_broker(error)
        if refusal is None:
            return
        older = _made_without_limit(refusal[1], self._topology)
        if older:
            log.warning(_OLDER, older, extra=facts(queue=older))
            self._kept.add(older)
            self.begin()
        else:
            self._failed(explain_refusal(*refusal), refusal[0] in _FINAL)


def _steps(channel: Channel, topology: Topology, kept: Collection[str]) -> Iterator[Step]:
    yield partial(channel.declare_exchange, ROLL_CALLS, "fanout")
    for exchange in topology.exchanges:
        yield partial(channel.declare_exchange, exchange.name, exchange.type)
    for queue in topology.queues:
        if queue.name not in kept:
            yield partial(channel.declare_queue, queue.name, arguments(queue))
    for binding in topology.bindings:
        yield partial(channel.bind, binding.queue, binding.exchange, binding.key)


def _made_without_limit(refusal: str, topology: Topology) -> str:
    """The dead-letter queue that a refusal is about, if it only lacks today's limit: the dead
    letters on it are worth more than that."""
    match = INEQUIVALENT.search(refusal)
    dead = {queue.name for queue in topology.queues if queue.kind == "dead"}
    lacks = match is not None and match["argument"] == "x-delivery-limit" and match["theirs"] == "none"
    return match["name"] if match is not None and lacks and match["name"] in dead else ""


def explain_refusal(code: int, text: str) -> str:
    """What the broker's refusal of a declaration means, and what to do."""
    match = INEQUIVALENT.search(text)
    if match is None:
        return f"the broker refuses to declare what the pipeline needs: {text} ({code})"
    kind: Refused = "exchange" if match["kind"] == "exchange" else "queue"
    name = match["name"]
    argument, ours, theirs = difference(match)
    way_out = (
        "make it anew with what is on it ('runner apply --migrate')"
        if kind == "queue"
        else "delete it when nothing publishes to it, which removes other programs' bindings too"
    )
    return (
        f"{kind} '{name}' exists on the broker with other arguments: {argument} is {theirs} there, "
        f"and {ours} in the pipeline; change the pipeline, give the {kind} another name, or {way_out}"
    )


def difference(match: re.Match[str]) -> tuple[str, str, str]:
    """What a match of INEQUIVALENT says differs: its name, what it is in the pipeline, and what on the broker.

    RabbitMQ names the first argument that differs, and the type comes last. Of our work queues
    the quorum queues have a dead-letter exchange, and the classic ones have none.
    """
    ours, theirs = (match[side].strip("'") for side in ("ours", "theirs"))
    if match["argument"] == "x-queue-type":
        return "type", ours, theirs
    if match["argument"] == "x-dead-letter-exchange" and "none" in (ours, theirs):
        types = ("classic", "quorum") if ours == "none" else ("quorum", "classic")
        return "type", types[0], f"{types[1]} (by its x-dead-letter-exchange)"
    return match["argument"], ours, theirs
