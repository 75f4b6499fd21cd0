"""Is RabbitMQ fit for the pipeline? Its version, every node, the user's rights, alarms.

What a user may do is tried out on a queue of this connection alone, which ends with it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.errors import closed_by_broker
from runner.brokers.rabbitmq.amqp.frames import Delivered, content_frames, publish_frame
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.node import BrokerNode
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError
from runner.findings import Finding, Level
from runner.message import new_id
from runner.topology import Topology

PATIENCE = 5.0
"""Seconds for one answer."""
GOODBYE = 1.0
"""Seconds: one with an alarm reads no goodbye."""
OLDEST, MAINTAINED = (3, 10), (4, 0)
"""The oldest that the runner works with, and the oldest that gets fixes without a contract
(rabbitmq.com/release-information)."""
STUCK = ((4, 3, 0), (4, 3, 1), (4, 3, 2))
"""Whose at-least-once dead-lettering may get stuck after nodes join or leave (rabbitmq-server#16652)."""
SUBJECT = "broker"


def checked(urls: Sequence[str], name: str, topology: Topology) -> Iterator[Finding]:
    """What is found at `urls`."""
    found = list(chain.from_iterable(map(nodes, urls)))
    answering = 0
    for node in found:
        try:
            link = Link(node, name)
        except BrokerUnavailableError as error:
            level: Level = "fault" if len(found) == 1 else "warning"
            yield Finding(level, SUBJECT, str(error), "start it, or correct 'broker' in the file")
            continue
        answering += 1
        try:
            yield from _of_version(node, link.version)
            if answering == 1:
                yield _Trial(link, topology).outcome()
        finally:
            link.close(GOODBYE)
    if not answering and len(found) > 1:
        yield Finding("fault", SUBJECT, "no node of it answers", "start one, or correct 'broker' in the file")


def _of_version(node: BrokerNode, version: str) -> Iterator[Finding]:
    place = f"RabbitMQ {version or '(which tells no version)'} at {node.label}"
    parts = tuple(map(int, re.findall(r"[0-9]+", version)[:3]))
    if parts and parts < OLDEST:
        yield Finding("fault", SUBJECT, place, "the runner needs RabbitMQ 3.10 or newer: update it")
    elif parts in STUCK:
        stuck = "its dead-lettering may get stuck after nodes have joined or left: update it to 4.3.3 or newer"
        yield Finding("warning", SUBJECT, place, stuck)
    elif parts and parts < MAINTAINED:
        yield Finding("warning", SUBJECT, place, "this series gets no more fixes: plan an update to 4.x")
    else:
        yield Finding("ok", SUBJECT, place)


class _Trial:
    """Makes a queue, publishes to it and takes from it, as the pipeline does."""

    def __init__(self, link: Link, topology: Topology) -> None:
        self._link = link
        self._queue = f"{next((queue.name for queue in topology.queues), 'runner')}.doctor.{secrets.token_hex(4)}"
        self._trying: Channel = link.channel()
        self._refusals: list[BaseException] = []
        self._trying.on_closed(self._refusals.append)

    def outcome(self) -> Finding:
        try:
            for what, step in (
                ("make queues", self._made),
                ("publish", self._published),
                ("take messages", self._taken),
            ):
                if not step():
                    return self._failed(what)
        except BrokerUnavailableError as error:
            return Finding("fault", SUBJECT, str(error), "look into its log")
        return Finding("ok", SUBJECT, "its user may make queues, publish to them and take from them")

    def _failed(self, what: str) -> Finding:
        told = closed_by_broker(self._refusals[0]) if self._refusals else None
        if told is not None:
            remedy = "grant the user what it lacks: rabbitmqctl set_permissions --vhost VHOST USER '.*' '.*' '.*'"
            return Finding("fault", SUBJECT, f"its user may not {what}: {told[1]}", remedy)
        remedy = "free memory or disk on it, if 'rabbitmqctl list_alarms' names one; else look into its log"
        return Finding("fault", SUBJECT, f"it doesn't let us {what} within {PATIENCE:g} s", remedy)

    def _made(self) -> bool:
        return self._does(lambda done: self._trying.declare_queue_of_mine(self._queue, done))

    def _published(self) -> bool:
        def publish(done: Callable[[], None]) -> None:
            channel = self._trying
            channel.confirm(lambda *_: done(), lambda *_: None)
            content = content_frames(channel.number, channel.frame_max, new_id(), {}, b"{}", None)
            channel.write(publish_frame(channel.number, "", self._queue), content)

        return self._does(publish)

    def _taken(self) -> bool:
        def take(done: Callable[[], None]) -> None:
            def got(found: Delivered) -> None:
                self._trying.ack(found.tag, multiple=False)
                done()

            self._trying.on_empty(done)
            self._trying.get(self._queue, got)

        return self._does(take)

    def _does(self, act: Callable[[Callable[[], None]], None]) -> bool:
        """Whether it is answered in time, and not refused."""
        done: list[bool] = []

        def note() -> None:
            done.append(True)
            self._link.stop()

        act(note)
        self._link.wait(lambda: done or self._refusals, PATIENCE)
        return bool(done)
