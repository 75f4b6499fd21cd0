"""A consumer that holds a page: how many fit into it, and that it waits for what has to come."""

from __future__ import annotations

from contextlib import closing

import pytest

from runner.brokers.rabbitmq.amqp import reader
from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.amqp.reader import MOST, Reader
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError
from tests.brokers.rabbitmq.amqp.test_browsing import put, ready


def test_the_whole_page_is_in_memory_before_anything_is_taken(vhost_url: str) -> None:
    """Nothing is left on the wire, where it would stall the connection of whoever is slow."""
    (node,) = nodes(vhost_url)
    put(vhost_url, *(f"m{n}" for n in range(30)), body=b"x" * 50_000)
    with closing(Link(node, "test")) as link:
        page = Reader(link, "q.dlq", 20)
        page.fill()
        assert page.full
        assert (ready(vhost_url), page.next_most) == (10, 160)
        taken = [page.take() for _ in range(21)]
        assert [found.message_id for found in taken if found] == [f"m{n}" for n in range(20)]
        assert (page.taken, page.held) == (20, 20)
    assert ready(vhost_url) == 30


def test_the_next_page_is_as_large_as_its_messages_allow(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (node,) = nodes(vhost_url)
    put(vhost_url, *(f"m{n}" for n in range(10)), body=b"x" * 1_000)
    with closing(Link(node, "test")) as link:
        monkeypatch.setattr(reader, "BYTES", 5_000)
        page = Reader(link, "q.dlq", 10)
        page.fill()
        assert (page.too_large, page.next_most) == (False, 5)
        page.give_back()
        monkeypatch.setattr(reader, "BYTES", 2_000)
        page = Reader(link, "q.dlq", 10)
        page.fill()
        assert (page.too_large, page.next_most) == (True, 2)
        page.give_back()
        monkeypatch.setattr(reader, "BYTES", 1 << 30)
        page = Reader(link, "q.dlq", 10)
        page.fill()
        monkeypatch.setattr(reader, "GROWTH", 10_000)
        assert page.next_most == MOST


def test_what_is_only_held_takes_no_memory(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    put(vhost_url, "m", "n")
    with closing(Link(node, "test")) as link:
        page = Reader(link, "q.dlq", 2, keeps=False)
        page.fill()
        assert (page.held, len(page._arrived), ready(vhost_url)) == (2, 0, 0)


def test_what_does_not_come_is_an_error(vhost_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "SILENCE", 0.05)
    (node,) = nodes(vhost_url)
    put(vhost_url, "m")
    with closing(Link(node, "test")) as link, pytest.raises(BrokerUnavailableError, match="don't come any more"):
        Reader(link, "q.dlq", 2).fill()
