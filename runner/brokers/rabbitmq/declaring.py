"""Declaring a topology, one step after the other, and wording what the broker refuses."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from functools import partial

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.arguments import arguments
from runner.topology import Topology

log = logging.getLogger("runner.broker")

ROLL_CALLS = "runner.status"
"""The exchange where the workers are asked how much they have in hand (see `depths`)."""

_FINAL = (403, 406)
"""Access refused, and declared with other arguments. The other codes tell of a state of the
broker that may pass: a queue without a leader, say."""

_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for (?P<kind>\w+) '(?P<name>[^']+)' in vhost '(?P<vhost>[^']+)': "
    r"received (?:the value )?(?P<ours>.+?)(?: of type '\w+')? but current is (?P<theirs>.+?)(?: of type '\w+')?$"
)


Step = Callable[[Callable[[], None]], None]
"""One declaration; it calls what it is given when the broker has confirmed it."""


def declare(
    connection: Connection,
    topology: Topology,
    *,
    done: Callable[[], None],
    failed: Callable[[str, bool], None],
    kept: frozenset[str] = frozenset(),
) -> None:
    """Declare everything in `topology` on a channel of its own, which is closed afterwards;
    but not the queues in `kept`, which are there.

    Calls `done()`, or `failed(reason, final)` with a sentence for the operator, and whether
    only a person can mend it. Neither is called where the connection goes away meanwhile.
    """
    steps: Iterator[Step]

    def begin(channel: Channel) -> None:
        nonlocal steps
        channel.on_closed(closed)
        steps = _steps(channel, topology, kept)
        proceed(channel)

    def proceed(channel: Channel) -> None:
        step = next(steps, None)
        if step is not None:
            step(lambda: proceed(channel))
        else:
            channel.close()
            done()

    def closed(error: BaseException) -> None:
        refusal = closed_by_broker(error)
        if refusal is None:
            return
        older = _made_without_limit(refusal[1], topology)
        if older:
            log.warning(
                "queue '%s' was made by an earlier version, without x-delivery-limit: from RabbitMQ 4.0 on "
                "a dead letter on it vanishes at the 21st look. Delete the queue once it is empty; "
                "the next start makes it anew",
                older,
            )
            declare(connection, topology, done=done, failed=failed, kept=kept | {older})
        else:
            failed(explain_refusal(*refusal), refusal[0] in _FINAL)

    connection.open_channel(begin)


def _steps(channel: Channel, topology: Topology, kept: frozenset[str]) -> Iterator[Step]:
    yield partial(channel.declare_exchange, ROLL_CALLS, "fanout")
    for exchange in topology.exchanges:
        yield partial(channel.declare_exchange, exchange.name, exchange.type)
    for queue in topology.queues:
        if queue.name not in kept:
            yield partial(channel.declare_queue, queue.name, arguments(queue))
    for binding in topology.bindings:
        yield partial(channel.bind, binding.queue, binding.exchange, binding.key)


def _made_without_limit(refusal: str, topology: Topology) -> str:
    """The dead-letter queue that a refusal is about, if it only lacks the limit of today: the dead
    letters on it are worth more than that."""
    match = _INEQUIVALENT.search(refusal)
    dead = {queue.name for queue in topology.queues if queue.kind == "dead"}
    lacks = match is not None and match["argument"] == "x-delivery-limit" and match["theirs"] == "none"
    return match["name"] if match is not None and lacks and match["name"] in dead else ""


def explain_refusal(code: int, text: str) -> str:
    """What the broker's refusal of a declaration means, and what to do."""
    match = _INEQUIVALENT.search(text)
    if match is None:
        return f"the broker refuses to declare what the pipeline needs: {text} ({code})"
    kind, name = match["kind"], match["name"]
    argument, ours, theirs = _difference(match)
    delete = f"rabbitmqctl delete_queue {name} --vhost {match['vhost']}"
    way_out = (
        f"delete it once it is empty ({delete})" if kind == "queue" else "delete it where nothing else publishes to it"
    )
    return (
        f"{kind} '{name}' exists on the broker with other arguments: {argument} is {theirs} there, "
        f"and {ours} in the pipeline; change the pipeline, give the {kind} another name, or {way_out}"
    )


def _difference(match: re.Match[str]) -> tuple[str, str, str]:
    """What differs: its name, what it is in the pipeline, and what on the broker.

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
