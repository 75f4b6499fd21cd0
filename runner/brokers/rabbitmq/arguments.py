"""A planned queue → the arguments with which RabbitMQ declares it.

They are permanent: RabbitMQ refuses a queue that exists with other arguments (406), and a
person has to delete it. The arguments here change only when the queue's plan does.
"""

from __future__ import annotations

from typing import Any

from runner.topology import PlannedQueue

NO_LIMIT = 1_000_000_000
"""From 4.0 RabbitMQ gives a quorum queue that names no delivery limit one of 20, and deletes
what comes back more often: a dead letter that somebody has looked at 21 times. (-1 means no
limit from 4.0 on, and one that is always passed before.)"""


def arguments(queue: PlannedQueue) -> dict[str, Any]:
    """The `x-…` arguments of `queue`."""
    found: dict[str, Any] = {"x-queue-type": queue.type}
    if queue.type == "quorum":
        found |= _of_quorum(queue)
    else:
        # A classic queue counts no deliveries, and would dead-letter at most once: it is left
        # to refuse what it can't take, and the worker to publish the dead letters.
        found["x-overflow"] = "reject-publish"
    if queue.wait is not None:
        found["x-message-ttl"] = round(queue.wait * 1000)
    if queue.max_length is not None:
        found["x-max-length"] = queue.max_length
    return found


def _of_quorum(queue: PlannedQueue) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if queue.delivery_limit is not None:
        found["x-delivery-limit"] = queue.delivery_limit
    elif queue.kind == "dead":
        found["x-delivery-limit"] = NO_LIMIT
    if queue.dead_letter_to is not None:
        # At-least-once dead-lettering: RabbitMQ keeps the message until its new queue has
        # confirmed it. Without `reject-publish` it would silently fall back to at-most-once
        # (rabbitmq.com/docs/quorum-queues#dead-lettering).
        found |= {
            "x-dead-letter-exchange": "",
            "x-dead-letter-routing-key": queue.dead_letter_to,
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }
    return found
