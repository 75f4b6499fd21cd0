"""The arguments with which a planned queue is declared. RabbitMQ refuses a queue that exists with
other arguments (406), so none of these may ever change: messages are on such queues."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.brokers.rabbitmq.arguments import arguments
from runner.pipeline import Pipeline, Queue, Stage
from runner.retry import RetryPolicy
from runner.topology import plan

DEAD_LETTERED_SAFELY = {
    "x-dead-letter-exchange": "",
    "x-dead-letter-strategy": "at-least-once",
    "x-overflow": "reject-publish",
}


def declared(queue: Queue) -> dict[str, dict[str, Any]]:
    """The arguments of each queue that a pipeline of one stage on `queue` needs."""
    stage = Stage("s", queue.name, "m:f", retry=RetryPolicy(attempts=2, delay=1.5, factor=3.0, max_delay=300.0))
    topology = plan(Pipeline("test", Path("/p.yaml"), (), {queue.name: queue}, {"s": stage}))
    return {planned.name: arguments(planned) for planned in topology.queues}


def test_a_queue_lets_no_message_fall_on_the_way_to_another() -> None:
    found = declared(Queue("q"))
    work = {
        "x-queue-type": "quorum",
        "x-delivery-limit": 20,
        "x-dead-letter-routing-key": "q.dlq",
        **DEAD_LETTERED_SAFELY,
    }
    wait = {
        "x-queue-type": "quorum",
        "x-message-ttl": 1500,
        "x-dead-letter-routing-key": "q",
        **DEAD_LETTERED_SAFELY,
    }
    dead = {"x-queue-type": "quorum", "x-delivery-limit": 1_000_000_000}
    assert found == {"q.dlq": dead, "q": work, "q.quarantine": work, "q.retry.1s500ms": wait}


def test_a_classic_queue_has_no_delivery_limit_and_dead_letters_nothing() -> None:
    found = declared(Queue("q", type="classic", max_length=5))
    assert found["q"] == {"x-queue-type": "classic", "x-overflow": "reject-publish", "x-max-length": 5}
    assert found["q.quarantine"]["x-queue-type"] == "quorum"


@pytest.mark.parametrize(("limit", "length"), [(7, None), (20, 1000)])
def test_limits_of_the_file_are_the_brokers(limit: int, length: int | None) -> None:
    found = declared(Queue("q", delivery_limit=limit, max_length=length))["q"]
    assert (found["x-delivery-limit"], found.get("x-max-length")) == (limit, length)
