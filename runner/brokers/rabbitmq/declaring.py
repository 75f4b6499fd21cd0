"""Declaring a topology, one step after the other, and wording what the broker refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.arguments import arguments
from runner.topology import Topology

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
) -> None:
    """Declare everything in `topology` on a channel of its own, which is closed afterwards.

    Calls `done()`, or `failed(reason, final)` with a sentence for the operator, and whether
    only a person can mend it. Neither is called where the connection goes away meanwhile.
    """
    steps: Iterator[Step]

    def begin(channel: Channel) -> None:
        nonlocal steps
        channel.on_closed(closed)
        steps = _steps(channel, topology)
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
        if refusal is not None:
            failed(explain_refusal(*refusal), refusal[0] in _FINAL)

    connection.open_channel(begin)


def _steps(channel: Channel, topology: Topology) -> Iterator[Step]:
    yield partial(channel.declare_exchange, ROLL_CALLS, "fanout")
    for exchange in topology.exchanges:
        yield partial(channel.declare_exchange, exchange.name, exchange.type)
    for queue in topology.queues:
        yield partial(channel.declare_queue, queue.name, arguments(queue))
    for binding in topology.bindings:
        yield partial(channel.bind, binding.queue, binding.exchange, binding.key)


def explain_refusal(code: int, text: str) -> str:
    """What the broker's refusal of a declaration means, and what to do."""
    match = _INEQUIVALENT.search(text)
    if match is None:
        return f"the broker refuses to declare what the pipeline needs: {text} ({code})"
    kind, name = match["kind"], match["name"]
    ours, theirs = (match[side].strip("'") for side in ("ours", "theirs"))
    delete = f"rabbitmqctl delete_queue {name} --vhost {match['vhost']}"
    way_out = (
        f"delete it once it is empty ({delete})" if kind == "queue" else "delete it where nothing else publishes to it"
    )
    return (
        f"{kind} '{name}' exists on the broker with other arguments: {match['argument']} is {theirs} there, "
        f"and {ours} in the pipeline; change the pipeline, give the {kind} another name, or {way_out}"
    )
