"""Pipelines with a ledger, at work in this process, whose handlers do what a test says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from runner import Message
from runner.engine import Engine
from runner.ledger.journey import Journey
from runner.ledger.ledger import Ledger
from runner.message import Destination, Outgoing
from tests.pipelines import loaded
from tests.worker.handlers import Noting

HANDLER = "'tests.worker.remembering:Scripted'"


class Scripted(Noting):
    """Notes what it gets, and does what the test says; by itself it passes on the body."""

    do: ClassVar[Callable[[Message], Any]]

    def __call__(self, message: Message) -> Any:
        super().__call__(message)
        return type(self).do(message)


def engine(folder: Path, ledger_url: str, stages: str, *, queues: str = "work, out") -> Engine:
    """`stages` in YAML, a line each: without handlers, which are all the same."""
    lines = "".join(f"  {line.strip().replace('{', f'{{handler: {HANDLER}, ', 1)}\n" for line in stages.splitlines())
    names = ", ".join(f"{name.strip()}: {{}}" for name in queues.split(","))
    retry = "retry: {attempts: 3, delay: 20ms}"
    text = f"broker: BROKER\nledger: {ledger_url}\ndefaults: {{{retry}}}\nqueues: {{{names}}}\nstages:\n{lines}"
    return Engine(loaded(folder, text), timeout=30)


def ledger_of(running: Engine) -> Ledger:
    assert running._memory is not None
    return running._memory.ledger


def send(running: Engine, *names: str, queue: str = "work", body: bytes = b"{}") -> None:
    running.broker.publish([Outgoing(Destination("", queue), name, body) for name in names])


def journey(running: Engine, id: str) -> Journey | None:
    return ledger_of(running).journey(id)


def standing(running: Engine, id: str) -> str:
    found = journey(running, id)
    return found.standing if found is not None else "unknown"
