"""A connection whose owner waits: it works only meanwhile, and says when it is lost."""

from __future__ import annotations

from contextlib import closing

import pytest

from runner.brokers.rabbitmq.amqp.link import Link
from runner.brokers.rabbitmq.url import nodes
from runner.errors import BrokerUnavailableError


def test_what_does_not_come_in_time_is_not_waited_for(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    with closing(Link(node, "test")) as link:
        assert not link.wait(lambda: False, 0.01)
        assert link.channel().is_open


def test_a_connection_that_is_lost_ends_the_wait(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    with closing(Link(node, "test")) as link:
        link._line.close()
        with pytest.raises(BrokerUnavailableError):
            link.expect(lambda: False, "what never comes")


def test_it_hangs_up_in_good_order_once(vhost_url: str) -> None:
    (node,) = nodes(vhost_url)
    link = Link(node, "test")
    assert link.close()
    assert not link.close()


def test_nobody_there_is_an_error_that_names_the_node() -> None:
    (node,) = nodes("amqp://guest:secret@127.0.0.1:1/")
    with pytest.raises(BrokerUnavailableError, match=r"127\.0\.0\.1:1"):
        Link(node, "test")
