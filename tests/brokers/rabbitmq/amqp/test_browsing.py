"""How a queue of RabbitMQ is read: by one operator at a time, in its order, and with little memory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pika
import pytest

from runner.brokers.rabbitmq.amqp import browsing, reader
from runner.brokers.rabbitmq.amqp.browsing import Browser
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError
from tests.waiting import wait_until


@contextmanager
def browser(url: str) -> Iterator[Browser]:
    (node,) = nodes(url)
    with closing(Browser(Link(node, "test"), "q.dlq")) as found:
        yield found


def read(url: str) -> list[str]:
    with browser(url) as found:
        return [message.delivered.message_id for message in found.messages()]


def test_the_second_who_looks_is_told_that_somebody_does(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "PATIENCE", 0.0)
    put(vhost_url, "m")
    with browser(vhost_url) as first, browser(vhost_url) as second:
        assert next(first.messages()).delivered.message_id == "m"
        put(vhost_url, "n")
        with pytest.raises(BrokerUnavailableError, match="somebody else is looking at it"):
            next(second.messages())


def test_the_second_who_looks_waits_for_the_first(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "PATIENCE", 60.0)
    put(vhost_url, "m")
    with browser(vhost_url) as first, browser(vhost_url) as second:
        assert next(first.messages()).delivered.message_id == "m"
        monkeypatch.setattr(second._link, "wait", _then_close(first, second))
        assert next(second.messages()).delivered.message_id == "m"


def _then_close(first: Browser, second: Browser) -> object:
    wait = second._link.wait

    def closing_first(*arguments: object) -> bool:
        first.close()
        return wait(*arguments)  # type: ignore[arg-type]

    return closing_first


def test_several_who_begin_at_once_all_see_everything(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsing, "PATIENCE", 120.0)
    sent = [f"m{n:03}" for n in range(150)]
    put(vhost_url, *sent)
    together = threading.Barrier(4)

    def look() -> list[str]:
        with browser(vhost_url) as found:
            together.wait(60)
            return [message.delivered.message_id for message in found.messages()]

    with ThreadPoolExecutor(4) as lookers:
        seen = [looker.result(120) for looker in [lookers.submit(look) for _ in range(4)]]
    assert [sorted(names) for names in seen] == [sent] * 4


def test_several_pages_keep_their_order(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST", 4)
    monkeypatch.setattr(browsing, "FIRST_PAGE", 4)
    sent = [f"m{n}" for n in range(10)]
    put(vhost_url, *sent)
    for _ in range(2):
        assert read(vhost_url) == sent


def test_who_stops_half_way_leaves_the_order_however_often(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST", 4)
    monkeypatch.setattr(browsing, "FIRST_PAGE", 4)
    sent = [f"m{n:02}" for n in range(20)]
    put(vhost_url, *sent)
    for stop in (6, 4, 1):
        with browser(vhost_url) as found:
            looking = found.messages()
            assert [next(looking).delivered.message_id for _ in range(stop)] == sent[:stop]
    assert read(vhost_url) == sent


def test_who_takes_some_away_and_stops_leaves_the_order_of_the_others(
    vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is taken away makes room for more, which may be on its way."""
    monkeypatch.setattr(reader, "SILENCE", 1.0)
    sent = [f"m{n:03}" for n in range(300)]
    put(vhost_url, *sent)
    for turn in range(6):
        with browser(vhost_url) as found:
            for _, message in zip(range(20), found.messages(), strict=False):
                message.ack()
        assert ready(vhost_url) == 280 - 20 * turn
        assert read(vhost_url) == sent[20 + 20 * turn :]


def test_what_comes_while_somebody_looks_is_left_alone(vhost_url: str) -> None:
    put(vhost_url, "a", "b")
    with browser(vhost_url) as found:
        looking = found.messages()
        seen = [next(looking).delivered.message_id]
        put(vhost_url, "c")
        seen += [message.delivered.message_id for message in looking]
        assert ready(vhost_url) == 1
    assert seen == ["a", "b"]
    assert read(vhost_url) == ["a", "b", "c"]


def test_messages_that_are_larger_than_those_before_are_read_in_smaller_pages(
    vhost_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is seen once, in its order, and some are given back on the way."""
    monkeypatch.setattr(reader, "BYTES", 1_000)
    small, large = [f"a{n:02}" for n in range(40)], [f"b{n:02}" for n in range(40)]
    put(vhost_url, *small)
    put(vhost_url, *large, body=b"x" * 400)
    assert read(vhost_url) == small + large
    with browser(vhost_url) as found:
        for message in found.messages():
            if message.delivered.message_id[-1] in "05":
                message.ack()
    assert read(vhost_url) == [name for name in small + large if name[-1] not in "05"]


def test_what_is_acked_makes_room_for_what_comes_next(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "MOST", 3)
    monkeypatch.setattr(browsing, "FIRST_PAGE", 3)
    sent = [f"m{n:02}" for n in range(20)]
    put(vhost_url, *sent)
    with browser(vhost_url) as found:
        seen = []
        for message in found.messages():
            seen.append(message.delivered.message_id)
            message.ack()
    assert seen == sent
    assert read(vhost_url) == []


def test_a_look_that_is_killed_leaves_everything_in_its_order(vhost_url: str) -> None:
    sent = [f"m{n:03}" for n in range(90)]
    put(vhost_url, *sent)
    look = (
        "import sys, signal\n"
        "from runner.brokers.rabbitmq.shelf import opened\n"
        "with opened([sys.argv[1]], 'test', 'q.dlq') as on:\n"
        "    for n, _ in enumerate(on.look()):\n"
        "        if n == 40: print('half', flush=True); signal.pause()\n"
    )
    with subprocess.Popen([sys.executable, "-c", look, vhost_url], stdout=subprocess.PIPE) as looking:
        assert looking.stdout is not None
        assert looking.stdout.readline() == b"half\n"
        os.kill(looking.pid, signal.SIGKILL)
    wait_until(lambda: ready(vhost_url) == len(sent))
    assert read(vhost_url) == sent


def put(url: str, *names: str, body: bytes = b"{}") -> None:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        channel = connection.channel()
        channel.queue_declare("q.dlq", durable=True, arguments={"x-queue-type": "quorum"})
        channel.confirm_delivery()
        for name in names:
            channel.basic_publish("", "q.dlq", body, pika.BasicProperties(message_id=name))


def ready(url: str) -> int:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        return int(connection.channel().queue_declare("q.dlq", passive=True).method.message_count)
