"""RabbitMQ's shelf, beyond the contract: which node it uses, and what it says when none answers."""

from __future__ import annotations

import pytest

from runner.brokers.rabbitmq.shelf import opened
from runner.errors import BrokerUnavailableError


def test_the_first_node_that_answers_is_used(vhost_url: str) -> None:
    with opened(["amqp://guest:guest@127.0.0.1:1/", vhost_url], "test", "nothing.dlq") as on:
        assert list(on.look()) == []


def test_where_no_node_answers_the_error_names_one() -> None:
    nobody = ["amqp://guest:secret@127.0.0.1:1/"]
    with pytest.raises(BrokerUnavailableError, match=r"amqp://127\.0\.0\.1:1") as error, opened(nobody, "test", "q"):
        pass
    assert "secret" not in str(error.value)
