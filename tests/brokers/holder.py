"""A process that takes messages and can be killed: `python -m tests.brokers.holder`.

Writes a line of JSON for each delivery: its queue, id and attempt; obeys lines on stdin:
`settle ID`, `publish QUEUE ID` (answered once it is confirmed), `fork` and `close`. With
`--forward` it settles every delivery by publishing it on `next`, and says nothing.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from runner.brokers import registry
from runner.brokers.base import Broker, Consumer
from runner.errors import PublishError
from runner.events import UNWATCHED, Events
from runner.message import Delivery
from tests.brokers.plans import NEXT, to, topology

ROOT = Path(__file__).parents[2]


def broker_at(address: str, name: str, events: Events = UNWATCHED) -> Broker:
    """A broker for `embedded:PATH` or an AMQP URL, not started."""
    return registry.kind_of(address).entrance.connect([address], name, events)


class Forwarder(Consumer):
    """A consumer that passes on whatever comes."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._broker.settle(delivery, [to(NEXT, delivery.payload, id=delivery.id)])

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        raise error


class Reporter(Consumer):
    """A consumer that tells what comes, and keeps it."""

    def __init__(self) -> None:
        self.in_hand: dict[str, Delivery] = {}
        self._lock = threading.Lock()

    def say(self, **line: object) -> None:
        with self._lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    def deliver(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self.in_hand[delivery.id] = delivery
            self.say(queue=delivery.queue, id=delivery.id, attempt=delivery.attempt)

    def settle_failed(self, delivery: Delivery, error: PublishError) -> None:
        self.say(failed=delivery.id, error=str(error))


def main(address: str, prefetch: str, *queues: str) -> None:
    broker = broker_at(address, "holder")
    broker.start(topology(), timeout=30)
    reporter = Reporter()
    forward = "--forward" in queues
    for queue in queues:
        if queue != "--forward":
            broker.consume(queue, int(prefetch), Forwarder(broker) if forward else reporter)
    for line in sys.stdin:
        match line.split():
            case ["settle", message]:
                broker.settle(reporter.in_hand.pop(message), [])
            case ["publish", queue, message]:
                broker.publish([to(queue, id=message)])
                reporter.say(published=message)
            case ["fork"]:
                if (child := os.fork()) == 0:
                    signal.pause()
                reporter.say(forked=child)
            case ["close"]:
                broker.close()
                reporter.say(closed=True)


class Holder:
    """Such a process, seen from a test. Killed at the end if it hasn't been before."""

    def __init__(self, address: str, *queues: str, prefetch: int = 100) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.brokers.holder", address, str(prefetch), *queues],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def order(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def lines(self) -> Iterator[dict[str, Any]]:
        """What the process says, line by line; ends when it does."""
        assert self._process.stdout is not None
        return (json.loads(line) for line in self._process.stdout)

    def take(self, count: int) -> dict[str, int]:
        """Wait for so many deliveries: id → attempt."""
        taken = {}
        for line in self.lines():
            taken[line["id"]] = line["attempt"]
            if len(taken) == count:
                return taken
        raise AssertionError(f"the holder ended after {len(taken)} of {count} deliveries")

    def kill(self) -> None:
        """SIGKILL."""
        self._process.kill()
        self._process.wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
