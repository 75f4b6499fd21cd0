"""Which node a command connects to."""

from __future__ import annotations

from contextlib import closing

import pytest

from runner.brokers.rabbitmq.linking import linked
from runner.errors import BrokerSetupError, BrokerUnavailableError

NOBODY = "amqp://guest:secret@127.0.0.1:1/"


def test_the_first_node_that_answers(vhost_url: str) -> None:
    with closing(linked([NOBODY, vhost_url], "test")) as link:
        assert link.channel().is_open


def test_where_none_answers_one_is_named_without_its_password() -> None:
    with pytest.raises(BrokerUnavailableError, match=r"amqp://127\.0\.0\.1:1") as error:
        linked([NOBODY], "test")
    assert "secret" not in str(error.value)


def test_a_url_that_cannot_be_read_is_a_fault_of_the_file() -> None:
    with pytest.raises(BrokerSetupError, match="the broker's URL needs a host"):
        linked(["amqp://"], "test")
