"""Where a delivery has to go before it may be handled: to the quarantine, because an earlier holder
died and may have died of it, or back to wait, because its retry isn't due yet. Decides only.

Left out: what happens in the quarantine (see `quarantine`).
"""

from __future__ import annotations

from runner.brokers.base import Consumer
from runner.brokers.rabbitmq.amqp.frames import Delivered
from runner.brokers.rabbitmq.reading import left_to_wait, moved, returns
from runner.message import Delivery, Outgoing
from runner.topology import PlannedQueue, quarantine_queue


class Sorter:
    """Of one work queue. `waits` tells whether it has companions on which a retry waits."""

    def __init__(self, planned: PlannedQueue, *, waits: bool) -> None:
        self.queue = planned.name
        self.quarantine = quarantine_queue(planned.name)
        self.counts_deliveries = planned.type == "quorum"
        self._most_returns = (planned.delivery_limit or 0) / 2
        """A message that comes back more often is no longer innocent, lest the broker's own limit end it."""
        self._waits = waits

    def elsewhere(self, delivery: Delivery, delivered: Delivered, consumer: Consumer) -> Outgoing | None:
        """The message to move it by; None: it may be handled. The attempt of a suspect is counted."""
        if self._is_suspect(delivery, delivered, consumer):
            # At most one attempt, however often it was delivered: only the first delivery can
            # have reached a handler; the later ones were on their way to the quarantine.
            delivery.attempt += 1
            delivery.deaths = 1
            return moved(delivery, self.quarantine)
        wait = left_to_wait(delivered)
        if wait <= 0 or not self._waits:  # a stage that no longer retries has no queue to wait on
            return None
        return moved(delivery, self.queue, wait)

    def _is_suspect(self, delivery: Delivery, delivered: Delivered, consumer: Consumer) -> bool:
        """Whether it may have killed the one who had it in hand."""
        came_back = returns(delivered, counts_deliveries=self.counts_deliveries)
        if not came_back or came_back >= self._most_returns:
            return came_back > 0
        return not consumer.is_innocent(delivery.id, delivery.attempt)
