"""What is in the broker's file, compared with a topology. The file changes a queue's length by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from runner.brokers.embedded.shelf import started
from runner.brokers.embedded.store import Store
from runner.brokers.embedded.url import path_of
from runner.brokers.survey import Difference, Differing, Kind, Renamed, Survey, Unnamed, renamed
from runner.topology import PlannedQueue, Topology


def surveyed(urls: Sequence[str], name: str, topology: Topology) -> Survey:
    """What is there. Raises BrokerError."""
    # Delays and the quarantine need no queue in the file.
    kept = [queue for queue in topology.queues if queue.kind in ("work", "dead")]
    if not path_of(urls[0]).exists():
        return Survey(tuple(_queue(queue) for queue in kept))
    rows: dict[str, tuple[int, int | None, int]] = {}

    def read(store: Store) -> None:
        for queue in store.queues.values():
            rows[queue.name] = queue.ready + queue.delayed, queue.max_length, len(store.owners.consumers(queue))

    with started(urls, name) as broker:
        broker.ask(read)
    missing = tuple(_queue(queue) for queue in kept if queue.name not in rows)
    differing = []
    for queue in kept:
        ready, max_length, _ = rows.get(queue.name, (0, queue.max_length, 0))
        if max_length != queue.max_length:
            found = Difference("max_length", _limit(max_length), _limit(queue.max_length))
            differing.append(Differing("queue", queue.name, (found,), ready, blocks=False))
    former = renamed(replace(topology, queues=tuple(kept)), lambda queue: rows[queue][::2] if queue in rows else None)
    named = {name for queue in kept for name in (queue.name, queue.was)}
    others = sorted((other, row) for other, row in rows.items() if other not in named)
    unnamed = tuple(Unnamed(other, ready, consumers) for other, (ready, _, consumers) in others)
    return Survey(missing, tuple(differing), renamed=former, unnamed=unnamed)


def left_behind(urls: Sequence[str], name: str, topology: Topology) -> tuple[Renamed, ...]:
    """See `registry.Surveys`."""
    return surveyed(urls, name, topology).renamed


def _queue(queue: PlannedQueue) -> tuple[Kind, str]:
    return "queue", queue.name


def _limit(length: int | None) -> str:
    return "none" if length is None else str(length)
