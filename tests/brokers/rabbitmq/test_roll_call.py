"""The roll call, where anybody may answer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pika
import pytest

from runner.brokers.base import Depth
from runner.brokers.rabbitmq.broker import RabbitBroker
from runner.brokers.rabbitmq.declaring import ROLL_CALLS
from runner.brokers.rabbitmq.roll_call import LONGEST, Held, read_answer, written
from tests.brokers.plans import WORK, Collector, depth
from tests.waiting import wait_until

NONSENSE = {
    "no JSON": b"\xff garbage",
    "nothing": b"",
    "a list": b"[]",
    "a text for a queue": b'{"work":"x"}',
    "null": b'{"work":null}',
    "a bare number": b'{"work":3}',
    "less than nothing": b'{"work":{"in_hand":-1000000,"paused":false}}',
    "a fraction": b'{"work":{"in_hand":1e308,"paused":false}}',
    "a truth": b'{"work":{"in_hand":true,"paused":false}}',
    "no number": b'{"work":{"in_hand":NaN,"paused":false}}',
    "a huge number": b'{"work":{"in_hand":' + b"9" * 5000 + b',"paused":false}}',
    "half an answer": b'{"work":{"in_hand":1}}',
    "deep": b"[" * 100_000,
    "long": b'{"work":{"in_hand":1,"paused":false}' + b" " * LONGEST + b"}",
}


def test_an_answer_is_read_as_it_was_written() -> None:
    roll = {"work": Held(3, paused=False), "more": Held(0, paused=True, why="the bank is closed", consumers=2)}
    assert read_answer(written(roll)) == roll


@pytest.mark.parametrize(
    ("why", "read"),
    [
        ("null", ""),
        ("5", ""),
        ('["a"]', ""),
        ('"closed"', "closed"),
        (f'"{"x" * 2000}"', "x" * 1000),
        (f'"{"x" * 990} 4242424242424242"', "x" * 990 + " ••••4242"),
    ],
)
def test_a_reason_that_makes_no_sense_is_none_and_a_long_one_is_cut(why: str, read: str) -> None:
    body = b'{"work":{"in_hand":1,"paused":true,"why":' + why.encode() + b"}}"
    assert read_answer(body) == {"work": Held(1, paused=True, why=read, consumers=0)}


@pytest.mark.parametrize(
    "consumers", [b"", b',"consumers":-1', b',"consumers":"x"', b',"consumers":1e9', b',"consumers":1E99']
)
def test_a_worker_that_does_not_say_how_many_consumers_it_has_has_one_unless_it_is_paused(consumers: bytes) -> None:
    body = b'{"work":{"in_hand":1,"paused":false%b},"more":{"in_hand":1,"paused":true%b}}' % (consumers, consumers)
    held = read_answer(body)
    assert (held["work"].consumers, held["more"].consumers) == (1, 0)


@pytest.mark.parametrize("body", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_says_nothing(body: bytes) -> None:
    assert read_answer(body) == {}


def test_a_nonsensical_answer_is_not_counted_and_does_no_harm(
    rabbit: Callable[..., RabbitBroker], vhost_url: str
) -> None:
    broker = rabbit()
    broker.consume(WORK, 1, Collector())
    wait_until(lambda: depth(broker) == Depth(consumers=1))
    answered = threading.Event()
    with closing(pika.BlockingConnection(pika.URLParameters(vhost_url))) as connection:
        channel = connection.channel()
        queue = channel.queue_declare("", exclusive=True).method.queue
        channel.queue_bind(queue, ROLL_CALLS)

        def answer(_channel: Any, _method: object, properties: pika.BasicProperties, _body: bytes) -> None:
            for body in NONSENSE.values():
                channel.basic_publish("", str(properties.reply_to), body.replace(b"work", WORK.encode()))
            answered.set()

        channel.basic_consume(queue, answer, auto_ack=True)
        answers = threading.Thread(target=channel.start_consuming)
        answers.start()
        assert depth(broker) == Depth(consumers=1)
        assert answered.wait(30)
        assert broker.available
        assert depth(broker) == Depth(consumers=1)
        connection.add_callback_threadsafe(channel.stop_consuming)
        answers.join()
