"""What travels: what a handler may do with it, and which parts are never shown."""

from __future__ import annotations

import re
import time

import pytest

from runner.message import Delivery, Destination, Message, Outgoing, Session, new_id

CARD = b'{"card": "4111111111111111"}'


def test_ids_are_32_hexadecimal_digits_and_no_two_are_the_same() -> None:
    ids = {new_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch("[0-9a-f]{32}", one) for one in ids)


def test_ids_stand_in_the_order_in_which_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [1, 999_999_999, 1_000_000_000, 1_795_000_000_123_456_789, 2**63 - 1]
    ids = []
    for now in times:
        monkeypatch.setattr(time, "time_ns", lambda now=now: now)
        ids.append(new_id())
    assert sorted(ids) == ids


def test_nothing_of_a_message_can_be_assigned_to() -> None:
    message = Message("1", {"n": 1})
    with pytest.raises(AttributeError):
        message.body = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        message.headers["mine"] = 1  # type: ignore[index]


def test_a_message_is_easily_made_for_a_test_of_a_handler() -> None:
    assert Message("1", {"n": 1}) == ("1", {"n": 1}, "", 1, {})


@pytest.mark.parametrize(
    ("destination", "shown"),
    [(Destination("", "payments"), "payments"), (Destination("events", "order.paid"), "events/order.paid")],
)
def test_a_destination_is_shown_as_a_queue_or_as_an_exchange_with_its_key(destination: Destination, shown: str) -> None:
    assert str(destination) == shown


def test_what_is_on_its_way_never_shows_its_body() -> None:
    outgoing = Outgoing(Destination("", "payments"), "id-1", CARD, delay=2.0)
    delivery = Delivery("payments", "id-1", CARD, {}, attempt=3, session=Session(), tag=1)
    assert repr(outgoing) == "Outgoing(payments, id=id-1, delay=2.0)"
    assert repr(delivery) == "Delivery(payments, id=id-1, attempt=3)"
