"""Tickets: who wants to know what became of some messages, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from runner.brokers.base import Done
from runner.brokers.rabbitmq.session import session_of
from runner.errors import BrokerUnavailableError, PublishError
from runner.message import Delivery, Outgoing

PUBLISH_AGAIN = 5
"""How often what comes of a delivery is published again because the channel was closed under it."""

Failed = Callable[[Delivery, PublishError], None]


class Ticket(Protocol):
    """Who wants to know what became of some messages; called on the I/O thread."""

    def confirmed(self) -> None:
        """One more of them is durable."""

    def refused(self, message: Outgoing, reason: str) -> None:
        """This one was certainly not taken."""

    def lost(self, message: Outgoing, reason: str) -> None:
        """What became of this one can't be known any more."""


class SubmitTicket:
    """For somebody who wants to know once, of all of his messages together."""

    __slots__ = ("_done", "_lost", "_pending", "_refused")

    def __init__(self, messages: Sequence[Outgoing], done: Done) -> None:
        self._pending = len(messages)
        self._done = done
        self._refused: list[tuple[Outgoing, str]] = []
        self._lost = ""

    def confirmed(self) -> None:
        self._pending -= 1
        if self._pending:
            return
        if self._lost:
            self._done(BrokerUnavailableError(self._lost))
        else:
            self._done(PublishError(self._refused) if self._refused else None)

    def refused(self, message: Outgoing, reason: str) -> None:
        self._refused.append((message, reason))
        self.confirmed()

    def lost(self, message: Outgoing, reason: str) -> None:  # noqa: ARG002 - the Ticket protocol's
        self._lost = reason
        self.confirmed()


class Settler(Protocol):
    """Who carries out what a SettleTicket comes to."""

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """All that comes of these is confirmed."""

    def settle_again(self, delivery: Delivery, messages: Sequence[Outgoing], failed: Failed, again: int) -> None:
        """These messages were lost with their channel: publish them once there is one again,
        and should that happen, up to `again` times more."""


class SettleTicket:
    """Acks a delivery once all that comes of it is confirmed; else tells `failed`.

    What was lost with its channel (somebody else's publish had closed it, and the
    connection is well) is nobody's failure: it is published again.
    """

    __slots__ = ("_again", "_delivery", "_failed", "_lost", "_pending", "_refused", "_settler")

    def __init__(
        self, settler: Settler, delivery: Delivery, pending: int, failed: Failed, again: int = PUBLISH_AGAIN
    ) -> None:
        session_of(delivery).leaving.add(delivery)
        self._settler = settler
        self._delivery = delivery
        self._pending = pending
        self._failed = failed
        self._again = again
        self._lost: list[Outgoing] = []
        self._refused: list[tuple[Outgoing, str]] = []

    def confirmed(self) -> None:
        self._pending -= 1
        if self._pending:
            return
        session = session_of(self._delivery)
        if not self._refused and not self._lost:
            session.leaving.discard(self._delivery)
            self._settler.ack([self._delivery])
        elif not session.open:
            return  # it simply comes again
        elif not self._refused:
            self._settler.settle_again(self._delivery, self._lost, self._failed, self._again - 1)
        else:
            session.leaving.discard(self._delivery)
            self._failed(self._delivery, PublishError(self._refused))

    def refused(self, message: Outgoing, reason: str) -> None:
        self._refused.append((message, reason))
        self.confirmed()

    def lost(self, message: Outgoing, reason: str) -> None:
        if self._again:
            self._lost.append(message)
            self.confirmed()
        else:  # it may be this very message that closes the channel each time
            self.refused(message, reason)
