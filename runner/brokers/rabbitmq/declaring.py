"""Declaring a topology, one step after the other, and wording what the broker refuses."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pika
from pika.channel import Channel

from runner.brokers.rabbitmq.wire import Wire
from runner.topology import Topology

STATUS_EXCHANGE = "runner.status"
"""Where `status` asks the workers how much they have in hand (see `status`)."""

_FINAL = (403, 406)
"""Access refused, and declared with other arguments. The other codes tell of a state of the
broker that may pass: a queue without a leader, say."""

_INEQUIVALENT = re.compile(
    r"inequivalent arg '(?P<argument>[^']+)' for (?P<kind>\w+) '(?P<name>[^']+)' in vhost '(?P<vhost>[^']+)': "
    r"received (?:the value )?(?P<ours>.+?)(?: of type '\w+')? but current is (?P<theirs>.+?)(?: of type '\w+')?$"
)


def declare(
    connection: Wire,
    topology: Topology,
    *,
    done: Callable[[], None],
    failed: Callable[[str, bool], None],
) -> None:
    """Declare everything in `topology` on a channel of its own, which is closed afterwards.

    Calls `done()`, or `failed(reason, final)` with a sentence for the operator, and whether
    only a person can mend it. Neither is called where the connection goes away meanwhile.
    """
    steps: Iterator[Callable[[Callable[[Any], None]], None]]

    def proceed(_frame: Any = None) -> None:
        step = next(steps, None)
        if step is not None:
            step(proceed)
        else:
            channel.close()
            done()

    def begin(opened: Channel) -> None:
        nonlocal steps
        opened.add_on_close_callback(closed)
        steps = _steps(opened, topology)
        proceed()

    def closed(_channel: Channel, reason: BaseException) -> None:
        if isinstance(reason, pika.exceptions.ChannelClosedByBroker):
            failed(explain_refusal(reason.reply_code, reason.reply_text), reason.reply_code in _FINAL)

    channel = connection.channel(on_open_callback=begin)


def _steps(channel: Channel, topology: Topology) -> Iterator[Callable[[Callable[[Any], None]], None]]:
    yield lambda go: channel.exchange_declare(STATUS_EXCHANGE, "fanout", durable=True, callback=go)
    for exchange in topology.exchanges:
        yield lambda go, e=exchange: channel.exchange_declare(e.name, e.type, durable=True, callback=go)  # type: ignore[misc]
    for queue in topology.queues:
        # Durable, not exclusive, not auto-delete: anything else isn't portable for
        # quorum queues, and refused from RabbitMQ 4.3 on.
        yield lambda go, q=queue: channel.queue_declare(  # type: ignore[misc]
            q.name, durable=True, arguments=dict(q.arguments), callback=go
        )
    for binding in topology.bindings:
        yield lambda go, b=binding: channel.queue_bind(b.queue, b.exchange, b.key, callback=go)  # type: ignore[misc]


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
