"""Where a message goes in the file, and why it can't go there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from runner.brokers.embedded.inbox import Parcel
from runner.brokers.embedded.queue import StoredQueue
from runner.brokers.embedded.store import Store
from runner.errors import PublishError
from runner.message import Destination, Outgoing
from runner.topology import Topology

MAX_PAYLOAD = 128 * 1024 * 1024
"""Bytes; the limit that RabbitMQ 3 has by default."""
_KEPT_ROUTES = 1000
"""Destinations whose queues are remembered; routing keys may be made up of anything."""


class Destinations:
    """The queues of the file that messages go to, and whether these take them."""

    def __init__(self, topology: Topology, store: Store) -> None:
        self._topology = topology
        self._store = store
        self._known: dict[Destination, tuple[StoredQueue, ...]] = {}

    def queues(self, destination: Destination) -> tuple[StoredQueue, ...]:
        """Those that `destination` leads to, perhaps none."""
        found = self._known.get(destination)
        if found is None:
            names = self._topology.queues_of(destination)
            found = tuple(self._store.queues[name] for name in names if name in self._store.queues)
            if len(self._known) >= _KEPT_ROUTES:
                self._known.clear()
            if found:
                self._known[destination] = found
        return found

    def refusal(self, message: Outgoing, planned: Mapping[StoredQueue, int]) -> str | None:
        """Why `message` can't be taken, given that so many more are `planned` for each queue; None: it can."""
        queues = self.queues(message.destination)
        if not queues:
            exchange, key = message.destination
            return f"no queue is bound to exchange {exchange} for key {key!r}" if exchange else "no queue of that name"
        if len(message.payload) > MAX_PAYLOAD:
            return f"larger than {MAX_PAYLOAD} bytes"
        if message.delay > 0:
            return None  # what only waits isn't on the queue yet
        for queue in queues:
            if queue.max_length is not None and queue.ready + planned.get(queue, 0) >= queue.max_length:
                return f"the queue is full (max_length {queue.max_length})"
        return None

    def refused(self, parcels: Sequence[Parcel]) -> PublishError | None:
        """Why not all of `parcels` can be taken together; None: they can."""
        if len(parcels) == 1:  # as nearly always
            [(message, _)] = parcels
            reason = self.refusal(message, {})
            return None if reason is None else PublishError([(message, reason)])
        planned: Counter[StoredQueue] = Counter()
        refused = []
        for message, _ in parcels:
            reason = self.refusal(message, planned)
            if reason is not None:
                refused.append((message, reason))
            elif message.delay <= 0:
                planned.update(self.queues(message.destination))
        return PublishError(refused) if refused else None
