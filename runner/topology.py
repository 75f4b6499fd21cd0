"""A pipeline → what has to exist on the broker: exchanges, queues, bindings, companions.

Decides only, in terms that fit every broker; each broker translates them. How a work queue is
declared depends on its own entry under `queues:` and on nothing else, so that you can rewire
stages without ever having to delete a queue (RabbitMQ refuses changed arguments).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

from runner.message import Destination
from runner.pipeline import Exchange, Pipeline, Queue, QueueType
from runner.retry import rung_for
from runner.units import format_duration


def dead_letter_queue(queue: str) -> str:
    return f"{queue}.dlq"


def quarantine_queue(queue: str) -> str:
    """Where messages wait whose worker died: they are taken from here one at a time,
    so that the next death can be blamed on the message that was really in hand."""
    return f"{queue}.quarantine"


def retry_queue(queue: str, delay: float) -> str:
    return f"{queue}.retry.{format_duration(delay)}"


def migration_queue(queue: str) -> str:
    """Where the messages of a queue are while it is made anew with other arguments. It exists only then."""
    return f"{queue}.migrating"


QueueKind = Literal["work", "retry", "quarantine", "dead"]
"""What a queue is for: messages to be handled, a retry's wait, those whose worker died, or
dead letters. All but the first are companions of a work queue."""


@dataclass(frozen=True, slots=True)
class PlannedQueue:
    """A queue to declare, on any broker. `home` is the work queue that a companion
    belongs to (a work queue is its own home)."""

    name: str
    home: str
    kind: QueueKind
    type: QueueType = "quorum"
    """quorum (replicated, counts its deliveries) or classic, if the broker has both."""
    max_length: int | None = None
    """The most messages that it may hold; None: any number."""
    delivery_limit: int | None = None
    """How often a message may come back from a holder that died before the broker itself
    moves it to `dead_letter_to`; None: any number of times."""
    wait: float | None = None
    """Seconds that a message stays here before it goes to `dead_letter_to`; None: no limit."""
    dead_letter_to: str | None = None
    """The queue that takes a message which may not stay here any longer."""
    was: str = ""
    """The name that it had before; empty: it had none."""


@dataclass(frozen=True, slots=True)
class PlannedBinding:
    exchange: str
    queue: str
    key: str

    def __str__(self) -> str:
        return f"{self.exchange}/{self.key} → {self.queue}" if self.key else f"{self.exchange} → {self.queue}"


@dataclass(frozen=True, slots=True)
class Topology:
    """Everything to declare, in order (a dead-letter queue comes before the queue that
    points at it)."""

    exchanges: tuple[Exchange, ...]
    queues: tuple[PlannedQueue, ...]
    bindings: tuple[PlannedBinding, ...]
    rungs: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """Work queue → the waits (seconds, ascending) for which it has retry queues."""

    def retry_queue(self, queue: str, delay: float) -> str:
        """The companion of `queue` on which a message waits for `delay` seconds."""
        return retry_queue(queue, rung_for(delay, self.rungs[queue]))

    def left_to_wait(self, queue: str, delay: float) -> float:
        """Seconds of `delay` that remain when a message comes back from that companion."""
        return max(0.0, delay - rung_for(delay, self.rungs[queue]))

    def queues_of(self, destination: Destination) -> tuple[str, ...]:
        """The declared queues that `destination` leads to, each once, as RabbitMQ routes."""
        if not destination.exchange:
            return (destination.key,)
        kind = next((e.type for e in self.exchanges if e.name == destination.exchange), "")
        return tuple(
            dict.fromkeys(
                binding.queue
                for binding in self.bindings
                if binding.exchange == destination.exchange and binds(kind, binding.key, destination.key)
            )
        )


def binds(exchange_type: str, binding_key: str, routing_key: str) -> bool:
    """Whether a binding matches a routing key (AMQP 0-9-1, section 3.1.3)."""
    if exchange_type == "fanout":
        return True
    if exchange_type == "direct":
        return binding_key == routing_key
    return _topic_pattern(binding_key).fullmatch("." + routing_key) is not None


@lru_cache(maxsize=10_000)
def _topic_pattern(binding_key: str) -> re.Pattern[str]:
    """`*` stands for one word, `#` for none or more; dots separate the words.

    The pattern expects a dot before every word, the first one too.
    """
    words = {"*": r"\.[^.]*", "#": r"(?:\.[^.]*)*"}
    return re.compile("".join(words.get(word, r"\." + re.escape(word)) for word in binding_key.split(".")))


def plan(pipeline: Pipeline) -> Topology:
    """What `pipeline` needs on its broker."""
    consumers = {stage.consume: stage for stage in pipeline.stages.values()}
    queues: list[PlannedQueue] = []
    rungs: dict[str, tuple[float, ...]] = {}
    for queue in pipeline.queues.values():
        queues.append(PlannedQueue(dead_letter_queue(queue.name), queue.name, "dead"))
        queues.append(_work(queue))
        stage = consumers.get(queue.name)
        if stage is None:
            continue
        rungs[queue.name] = stage.retry.rungs()
        queues.append(_quarantine(queue))
        queues.extend(_retry(queue, rung) for rung in rungs[queue.name])
    bindings = tuple(
        PlannedBinding(b.exchange, queue.name, b.key) for queue in pipeline.queues.values() for b in queue.bind
    )
    named = tuple(_with_former_name(planned, pipeline.queues[planned.home].was) for planned in queues)
    return Topology(tuple(pipeline.exchanges.values()), named, bindings, rungs)


def _with_former_name(planned: PlannedQueue, home: str) -> PlannedQueue:
    """A companion had the name that its work queue's former one, `home`, gave it."""
    return replace(planned, was=home + planned.name.removeprefix(planned.home)) if home else planned


def _work(queue: Queue) -> PlannedQueue:
    return PlannedQueue(
        queue.name,
        queue.name,
        "work",
        queue.type,
        max_length=queue.max_length,
        delivery_limit=queue.delivery_limit,
        dead_letter_to=dead_letter_queue(queue.name),
    )


def _quarantine(queue: Queue) -> PlannedQueue:
    """Always a quorum queue: only quorum queues count their deliveries."""
    return PlannedQueue(
        quarantine_queue(queue.name),
        queue.name,
        "quarantine",
        delivery_limit=queue.delivery_limit,
        dead_letter_to=dead_letter_queue(queue.name),
    )


def _retry(queue: Queue, rung: float) -> PlannedQueue:
    """One queue per wait, set on the queue: RabbitMQ looks at a wait set on a message only
    when the message reaches the head of the queue."""
    return PlannedQueue(retry_queue(queue.name, rung), queue.name, "retry", wait=rung, dead_letter_to=queue.name)
