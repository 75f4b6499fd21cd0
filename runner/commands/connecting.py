"""How a command gets a broker: connected while the command needs it, and quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from runner.brokers.base import Broker
from runner.brokers.registry import connect
from runner.config.loader import LoadedPipeline
from runner.observability import logs, observers
from runner.topology import plan

BROKER_TIMEOUT = 5.0
"""Seconds that a command waits for the broker to answer."""


@contextmanager
def connected(loaded: LoadedPipeline, command: str, *, declare: bool = True) -> Iterator[Broker]:
    """The broker of `loaded`; `command` is shown in its lists. Raises BrokerError.

    Without `declare` nothing is created there: for commands that only look.
    """
    logs.configure(command, level="error")
    broker = connect(loaded.pipeline, command, observers.attach())
    broker.start(plan(loaded.pipeline), timeout=BROKER_TIMEOUT, declare=declare)
    try:
        yield broker
    finally:
        broker.close()
