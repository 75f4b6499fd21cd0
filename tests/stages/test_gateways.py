"""The simulated gateway answers as its table says, and charges a payment once."""

from __future__ import annotations

import re

import pytest

from stages.gateways import GATEWAYS, Approved, Charge, Declined, GatewayError, GatewayTimeoutError, SimulatedGateway

APPROVED = "4242424242424242"
FAILS, FAILS_ONCE, TIMES_OUT_ONCE = "4000000000000119", "4000000000005001", "4000000000005019"


@pytest.fixture(autouse=True)
def nothing_has_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedGateway, "_failed_once", {})


def charge(card: str, key: str = "key", *, latency: float = 0.0) -> Approved | Declined:
    """By a separate handler, as each attempt may be."""
    return SimulatedGateway(timeout=0.001, latency=latency).charge(Charge(key, card))


def test_any_card_that_is_not_in_the_table_is_approved_under_the_id_of_the_payment() -> None:
    first, again, other = charge(APPROVED), charge(APPROVED), charge(APPROVED, "another")
    assert isinstance(first, Approved)
    assert isinstance(again, Approved)
    assert isinstance(other, Approved)
    assert first.id == again.id != other.id
    assert first.time.tzinfo is not None
    assert re.fullmatch("sim_[a-z2-7]{24}", first.id), "no row of digits in it can be taken for a card number"


def test_a_card_that_is_declined_is_never_charged() -> None:
    assert charge("4000000000000002") == Declined("card_declined", "The bank declined the card.")
    assert charge("4000000000000002") == Declined("card_declined", "The bank declined the card.")


def test_a_card_that_fails_every_time_fails_every_time() -> None:
    for _ in range(3):
        with pytest.raises(GatewayError, match="503 Service Unavailable"):
            charge(FAILS)


def test_a_card_that_fails_once_is_approved_when_the_payment_comes_again() -> None:
    with pytest.raises(GatewayError, match="503"):
        charge(FAILS_ONCE)
    assert isinstance(charge(FAILS_ONCE), Approved)
    with pytest.raises(GatewayError, match="503"):
        charge(FAILS_ONCE, "another")


def test_an_answer_that_is_lost_once_is_the_same_charge_when_it_is_asked_for_again() -> None:
    with pytest.raises(GatewayTimeoutError, match=r"no answer within 0\.001 s"):
        charge(TIMES_OUT_ONCE)
    again = charge(TIMES_OUT_ONCE)
    assert isinstance(again, Approved)
    assert again.id == getattr(charge(APPROVED), "id", None)


def test_an_answer_beyond_the_timeout_is_lost() -> None:
    with pytest.raises(GatewayTimeoutError):
        charge(APPROVED, latency=60)


def test_the_trigger_cards_are_documented_where_they_are_looked_for() -> None:
    documented = SimulatedGateway.__doc__ or ""

    for card in ("0002", "9995", "0069", "9979", "0119", "5001", "5019"):
        assert f"400000000000{card}" in documented


def test_only_so_many_payments_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SimulatedGateway, "_most_remembered", 3)
    for number in range(10):
        with pytest.raises(GatewayError):
            charge(FAILS_ONCE, f"payment-{number}")

    assert len(SimulatedGateway._failed_once) == 3


def test_a_charge_never_shows_its_card() -> None:
    assert APPROVED not in repr(Charge("key", APPROVED))


def test_the_simulated_gateway_is_found_by_its_name() -> None:
    assert GATEWAYS["simulated"] is SimulatedGateway
