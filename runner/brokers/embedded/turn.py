"""One transaction's work: settle and publish what has piled up, and take more.

A turn changes the file and the hand; the broker's thread commits it, and only then tells
anyone. Decides nothing about when, and starts no threads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence

from runner.brokers.embedded.destinations import Destinations
from runner.brokers.embedded.hand import Hand, Subscription
from runner.brokers.embedded.inbox import Parcel, Place, Publication, Work
from runner.brokers.embedded.presence import DeadOwner
from runner.brokers.embedded.queue import StoredQueue
from runner.brokers.embedded.reading import Taken, attempts_in, delivery_of
from runner.brokers.embedded.store import Store
from runner.errors import BrokerError, BrokerUnavailableError, PublishError, TakenError
from runner.message import Delivery, Outgoing, Session, new_id, number

HELD_BYTES = 192 * 1024 * 1024
"""Payload in hand beyond which a stage that has some takes no more in advance."""


class Turn:
    """The work of one transaction, from `begin` to `commit`, and its results."""

    def __init__(
        self, store: Store, destinations: Destinations, hand: Hand, session: Session, *, watched: bool = False
    ) -> None:
        self._store = store
        self._destinations = destinations
        self._hand = hand
        self._session = session
        self._rows: list[tuple[int, str, str | None, bytes]] = []
        self._delayed_rows: list[tuple[int, int, int, str, str | None, bytes]] = []
        self._dropped: list[tuple[Delivery, bool]] = []
        self._fed: set[StoredQueue] = set()
        self.answers: list[tuple[Publication, BrokerError | None]] = []
        self.refused: list[tuple[Delivery, PublishError]] = []
        self.taken: list[tuple[Subscription, list[Delivery]]] = []
        self.dead_owners: list[DeadOwner] = []
        self.to_wake: set[str] = set()
        self.stored: list[Outgoing] | None = [] if watched else None
        """What was published, if anything observes that."""
        self.more = False
        """Whether there is more to take at once."""

    def run(self, work: Work, subscriptions: Sequence[Subscription]) -> None:
        settled: dict[str, list[int]] = {}
        for delivery, parcels in work.settlements:
            self._settle(delivery, parcels, settled)
        for publication in work.publications:
            gone = BrokerUnavailableError("nobody waits for it any more") if publication.given_up else None
            self.answers.append((publication, gone or self._publish(publication, settled)))
        self._store.messages.insert(self._rows)
        self._store.messages.delay(self._delayed_rows)
        for name, places in settled.items():
            self._store.messages.remove(self._store.queues[name], places)
        self._release(work.releases)
        for subscription in subscriptions:
            self._take(subscription)
        self.to_wake.update(*(self._store.owners.consumers(queue) for queue in self._fed if queue.ready))

    def bring_back(self) -> None:
        """Return what the dead held to its queues."""
        self.dead_owners = self._store.owners.return_claims_of_the_dead()
        if self.dead_owners:
            self._fed.update(self._store.queues.values())

    def undo(self) -> None:
        """The transaction failed: have in hand again what was before, and no more."""
        for _, deliveries in self.taken:
            for delivery in deliveries:
                self._hand.drop(delivery)
        for delivery, suspect in self._dropped:
            self._hand.put(delivery, suspect=suspect)
        for dead in self.dead_owners:
            dead.let_go()

    # -- out of hand --------------------------------------------------------------------

    def _settle(self, delivery: Delivery, parcels: list[Parcel], settled: dict[str, list[int]]) -> None:
        if delivery.session is not self._session or delivery not in self._hand:
            return
        if parcels:
            if (refusal := self._destinations.refused(parcels)) is not None:
                self.refused.append((delivery, refusal))
                return
            for parcel in parcels:
                self._add(parcel)
        self._drop(delivery)
        settled.setdefault(delivery.queue, []).append(delivery.tag)

    def _release(self, deliveries: Iterable[Delivery]) -> None:
        released: dict[str, list[int]] = {}
        for delivery in deliveries:
            if delivery.session is self._session and delivery in self._hand:
                self._drop(delivery)
                released.setdefault(delivery.queue, []).append(delivery.tag)
        for name, places in released.items():
            queue = self._store.queues[name]
            self._store.messages.release(queue, places)
            self._fed.add(queue)

    def _drop(self, delivery: Delivery) -> None:
        self._dropped.append((delivery, self._hand.suspect == delivery.tag))
        self._hand.drop(delivery)

    # -- in -----------------------------------------------------------------------------

    def _publish(self, publication: Publication, settled: dict[str, list[int]]) -> BrokerError | None:
        if publication.instead is not None:
            return self._exchange(publication.instead, publication.parcels, settled)
        refused = []
        for parcel in publication.parcels:
            reason = self._destinations.refusal(parcel[0], {})
            if reason is None:
                self._add(parcel)
            else:
                refused.append((parcel[0], reason))
        return PublishError(refused) if refused else None

    def _exchange(self, place: Place, parcels: list[Parcel], settled: dict[str, list[int]]) -> BrokerError | None:
        """All of them for what lies there, or nothing."""
        if (refusal := self._destinations.refused(parcels)) is not None:
            return refusal
        queue = self._store.queues.get(place.queue)
        if queue is None:
            return TakenError()
        if place.delayed:
            if not self._store.messages.remove_delayed(queue, place.number):
                return TakenError()
        elif self._store.messages.claim(queue, place.number):
            settled.setdefault(queue.name, []).append(place.number)
        else:
            return TakenError()
        for parcel in parcels:
            self._add(parcel)
        return None

    def _add(self, parcel: Parcel) -> None:
        message, headers = parcel
        if self.stored is not None:
            self.stored.append(message)
        size = len(message.payload)
        message_id = message.id or new_id()
        for queue in self._destinations.queues(message.destination):
            if message.delay > 0:
                due, wait = math.ceil((time.time() + message.delay) * 1000), math.ceil(message.delay * 1000)
                queue.add_delayed(size, due)
                self._delayed_rows.append((queue.number, due, wait, message_id, headers, message.payload))
            else:
                self._rows.append((queue.add(size), message_id, headers, message.payload))
                self._fed.add(queue)

    # -- into the hand ------------------------------------------------------------------

    def _take(self, subscription: Subscription) -> None:
        queue = self._store.queues[subscription.queue]
        if self._store.messages.come_due(queue):
            self._fed.add(queue)
        room = subscription.prefetch - subscription.in_hand
        if room <= 0 or not queue.ready:
            return
        if self._hand.bytes >= HELD_BYTES and subscription.in_hand:
            return  # what is settled makes room
        if queue.returned:
            self._mark_innocent(subscription, queue, room)
        taken = self._store.messages.take(queue, room, suspect=self._hand.takes_suspect)
        if not taken:
            return
        taken = [_acquitted(message, subscription) if message.crashes > 1 else message for message in taken]
        deliveries = [delivery_of(message, queue.name, self._session, subscription) for message in taken]
        for message, delivery in zip(taken, deliveries, strict=True):
            self._hand.put(delivery, suspect=message.crashes > 0)
        self.taken.append((subscription, deliveries))
        self.more |= queue.ready > 0 and subscription.in_hand < subscription.prefetch and self._hand.bytes < HELD_BYTES

    def _mark_innocent(self, subscription: Subscription, queue: StoredQueue, count: int) -> None:
        """Those of the suspects of which their consumer knows that they can't have killed."""
        innocent = [
            place
            for place, message_id, headers in self._store.messages.suspects(queue, count)
            if subscription.consumer.is_innocent(message_id, attempts_in(headers) + 1)
        ]
        if innocent:
            self._store.messages.mark_innocent(innocent)


def _acquitted(message: Taken, subscription: Subscription) -> Taken:
    """With those deaths only that it may have been the cause of; at the first it was in company."""
    first = attempts_in(message.headers) + 2
    alone = range(first, first + number(message.crashes) - 1)
    acquittals = subscription.consumer.acquittals(message.id, alone)
    return message._replace(crashes=max(1, message.crashes - acquittals))
