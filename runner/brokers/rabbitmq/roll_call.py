"""The roll call of the workers, over a fanout exchange that anybody may bind to and publish on.

A worker answers what it consumes, and how much of that it has in hand. Any other answer is
ignored: it comes from another program.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import orjson

from runner.brokers.rabbitmq.amqp.channel import Channel
from runner.brokers.rabbitmq.amqp.connection import Connection
from runner.brokers.rabbitmq.declaring import ROLL_CALLS
from runner.privacy.masking import mask_and_cut

LONGEST_REASON = 1_000
"""Characters."""
LONGEST = 262_144
"""Bytes of an answer that is read."""
MOST = 10_000_000
"""How many messages a worker may say it has in hand, and how many consumers."""


class Held(NamedTuple):
    """What one worker says about one queue."""

    in_hand: int
    paused: bool
    why: str = ""
    """Why it is paused."""
    consumers: int = 1
    """How many of the consumers that the broker counts are its own."""


def answer_roll_calls(
    connection: Connection, roll: Callable[[], Mapping[str, Held]], asked: Callable[[Channel, bytes, str], None]
) -> None:
    """Answer, for as long as the connection lives, what this process consumes. A call with a body is
    a question: `asked(channel, question, reply_to)`."""

    def begin(channel: Channel) -> None:
        channel.declare_own_queue(lambda queue: listen(channel, queue))

    def listen(channel: Channel, queue: str) -> None:
        def called(body: bytes, reply_to: str) -> None:
            if reply_to and not body:
                channel.publish("", reply_to, written(roll()))
            elif reply_to:
                asked(channel, body, reply_to)

        channel.bind(queue, ROLL_CALLS)
        channel.listen(queue, called)

    connection.open_channel(begin)


def written(roll: Mapping[str, Held]) -> bytes:
    return orjson.dumps({queue: held._asdict() for queue, held in roll.items()})


def read_answer(body: bytes) -> Mapping[str, Held]:
    """What an answer says; nothing, where it is none."""
    if len(body) > LONGEST:
        return {}
    try:
        answer = orjson.loads(body)
    except ValueError:
        return {}
    if not isinstance(answer, dict):
        return {}
    return {queue: held for queue, said in answer.items() if (held := _held(said)) is not None}


def _held(said: object) -> Held | None:
    match said:
        case {"in_hand": int(in_hand), "paused": bool(paused), **more} if in_hand is not True and 0 <= in_hand <= MOST:
            why, consumers = more.get("why"), more.get("consumers")
            reason = mask_and_cut(why, LONGEST_REASON) if isinstance(why, str) else ""
            if not isinstance(consumers, int) or not 0 <= consumers <= MOST:
                consumers = not paused
            return Held(int(in_hand), paused, reason, int(consumers))
    return None
