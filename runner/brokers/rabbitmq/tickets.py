"""Tickets: what follows once the fate of some messages is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from runner.brokers.base import Done
from runner.brokers.rabbitmq.session import session_of
from runner.errors import BrokerUnavailableError, PublishError
from runner.message import Delivery, Outgoing

PUBLISH_AGAIN = 5
"""How often the results of a delivery are published again because their channel was closed."""

Failed = Callable[[Delivery, PublishError], None]


class Ticket(Protocol):
    """Learns the fate of some messages; called on the I/O thread."""

    def confirmed(self) -> None:
        """One more of them is durable."""

    def refused(self, message: Outgoing, reason: str) -> None:
        """This one was certainly not taken."""

    def lost(self, message: Outgoing, reason: str) -> None:
        """The fate of this one can no longer be known."""


class SubmitTicket:
    """For a caller of `submit`, who is told once about all messages together."""

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
    """Carries out what a SettleTicket decides."""

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        """All results of these are confirmed."""

    def settle_again(self, delivery: Delivery, messages: Sequence[Outgoing], failed: Failed, again: int) -> None:
        """These messages were lost with their channel: publish them once there is a new one, and
        if that happens again, up to `again` more times."""


class SettleTicket:
    """Acks a delivery once all its results are confirmed; else calls `failed`.

    If messages were lost only with their channel (another publish closed it, and the connection
    is fine), nothing has failed: they are published again.
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
