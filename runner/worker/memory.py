"""What a worker has for its pipeline's ledger: the ledger, and notes of what becomes of deliveries.

It imports the ledger only for a pipeline that has one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

from runner.events import Failure, Observer
from runner.message import Delivery, Outgoing
from runner.pipeline import Pipeline

if TYPE_CHECKING:
    from runner.ledger.ledger import Ledger


class Note(NamedTuple):
    """What became of an attempt, as a worker reports it."""

    state: Literal["handled", "waiting", "dead"]
    stage: str
    attempts: int
    error: str = ""
    delay: float = 0.0
    seconds: float = 0.0
    """That the handler took, checks included."""


class Notes(Observer):
    """What has become of deliveries that are about to be settled."""

    def __init__(self) -> None:
        self._notes: dict[Delivery, Note] = {}

    def handled(
        self,
        stage: str,
        delivery: Delivery,
        messages: Sequence[Outgoing],  # noqa: ARG002 - an observer's
        seconds: float,
    ) -> None:
        self._notes[delivery] = Note("handled", stage, delivery.attempt, "", 0.0, seconds)

    def retried(self, stage: str, delivery: Delivery, failure: Failure, delay: float) -> None:
        self._notes[delivery] = Note("waiting", stage, failure.attempt, failure.reason, delay, failure.seconds)

    def dead(self, stage: str, delivery: Delivery, failure: Failure) -> None:
        self._notes[delivery] = Note("dead", stage, failure.attempt, failure.reason, seconds=failure.seconds)

    def take(self, delivery: Delivery) -> Note | None:
        return self._notes.pop(delivery, None)


class Memory(NamedTuple):
    """The ledger, and what observes the worker for it."""

    ledger: Ledger
    notes: Notes


def memory_of(pipeline: Pipeline) -> Memory | None:
    """The memory of a worker of this pipeline, not opened; None if it has no ledger."""
    ledger = ledger_of(pipeline)
    return None if ledger is None else Memory(ledger, Notes())


def ledger_of(pipeline: Pipeline) -> Ledger | None:
    """The pipeline's ledger, not opened; None if it has none."""
    if pipeline.ledger is None:
        return None
    from runner.ledger.ledger import Ledger

    return Ledger(pipeline.ledger, pipeline.ledger_keep)
