"""What follows once the fate of some messages is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import pytest

from runner.brokers.rabbitmq.session import ChannelSession
from runner.brokers.rabbitmq.tickets import Failed, SettleTicket, SubmitTicket
from runner.errors import BrokerError, BrokerUnavailableError, PublishError
from runner.message import Delivery, Destination, Outgoing

ONE, OTHER = (Outgoing(Destination("", queue), queue, b"1") for queue in ("one", "other"))


@pytest.fixture
def told() -> list[BrokerError | None]:
    return []


def test_a_submit_is_answered_once_when_all_are_confirmed(told: list[BrokerError | None]) -> None:
    ticket = SubmitTicket([ONE, OTHER], told.append)
    ticket.confirmed()
    assert told == []
    ticket.confirmed()
    assert told == [None]


def test_a_submit_is_answered_with_each_message_that_was_refused(told: list[BrokerError | None]) -> None:
    ticket = SubmitTicket([ONE, OTHER], told.append)
    ticket.refused(OTHER, "the queue is full")
    ticket.confirmed()
    [error] = told
    assert isinstance(error, PublishError)
    assert error.refused == ((OTHER, "the queue is full"),)


def test_what_was_lost_is_unknown_whatever_became_of_the_others(told: list[BrokerError | None]) -> None:
    ticket = SubmitTicket([ONE, OTHER], told.append)
    ticket.lost(ONE, "the connection was lost")
    ticket.refused(OTHER, "the queue is full")
    [error] = told
    assert isinstance(error, BrokerUnavailableError)
    assert str(error) == "the connection was lost"


class Settler:
    """Notes what it is asked to do."""

    def __init__(self) -> None:
        self.session = ChannelSession(cast(Any, None))
        self.delivery = Delivery("work", "id-1", b"1", {}, 1, self.session, 1)
        self.acked: list[Delivery] = []
        self.again: list[tuple[Sequence[Outgoing], int]] = []
        self.failed: list[PublishError] = []

    def ticket(self, pending: int, **options: int) -> SettleTicket:
        return SettleTicket(self, self.delivery, pending, lambda _, error: self.failed.append(error), **options)

    def ack(self, deliveries: Iterable[Delivery]) -> None:
        self.acked += deliveries

    def settle_again(self, delivery: Delivery, messages: Sequence[Outgoing], failed: Failed, again: int) -> None:
        self.again.append(([*messages], again))


@pytest.fixture
def settler() -> Settler:
    return Settler()


def test_a_delivery_is_acked_only_when_all_that_comes_of_it_is_confirmed(settler: Settler) -> None:
    ticket = settler.ticket(2)
    ticket.confirmed()
    assert (settler.acked, settler.session.leaving) == ([], {settler.delivery})
    ticket.confirmed()
    assert (settler.acked, settler.session.leaving) == ([settler.delivery], set())


def test_a_delivery_whose_result_is_refused_is_not_acked(settler: Settler) -> None:
    ticket = settler.ticket(2)
    ticket.confirmed()
    ticket.refused(OTHER, "the queue is full")
    assert settler.acked == []
    assert [error.refused for error in settler.failed] == [((OTHER, "the queue is full"),)]


def test_what_was_lost_with_its_channel_is_published_again_and_nothing_else(settler: Settler) -> None:
    ticket = settler.ticket(2, again=3)
    ticket.lost(ONE, "the channel was closed")
    ticket.confirmed()
    assert (settler.acked, settler.failed, settler.again) == ([], [], [([ONE], 2)])


def test_what_is_lost_each_time_has_failed_in_the_end(settler: Settler) -> None:
    settler.ticket(1, again=0).lost(ONE, "the channel was closed")
    assert [error.refused for error in settler.failed] == [((ONE, "the channel was closed"),)]
    assert settler.again == []


def test_after_the_end_of_its_connection_a_delivery_simply_comes_again(settler: Settler) -> None:
    ticket = settler.ticket(1)
    settler.session.open = False
    ticket.lost(ONE, "the connection was lost")
    assert (settler.acked, settler.failed, settler.again) == ([], [], [])
