"""Which payments go on to the gateway, and which are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import Message
from runner.message import new_id
from runner.validation.schema import Schema
from stages.cards import passes_luhn
from stages.letters import Letters
from stages.process_payment import ProcessPayment
from stages.validate_payment import ValidatePayment
from tests.stages.notifications import ORIGINAL, payment
from tests.stages.test_schemas import SCHEMAS

TEST_CARD = str(ORIGINAL["cardNo"])
PAYMENT = Schema.load(SCHEMAS / "payment.json")
NOTIFICATION = Schema.load(SCHEMAS / "notification.json")
LETTERS = Letters()


def validated(**changes: Any) -> dict[str, Any]:
    return ValidatePayment(test_cards=[TEST_CARD])(payment(**changes))


def test_the_original_request_passes_as_it_is() -> None:
    assert validated() == ORIGINAL


def test_the_example_card_is_refused_where_it_is_not_listed() -> None:
    refused = ValidatePayment()(payment())

    assert refused["kind"] == "refused"
    assert refused["refusal"] == {
        "code": "card_number",
        "reason": "The card number is not right. Please check its digits.",
    }


@pytest.mark.parametrize("name", ["Credit Card", "credit card", "CREDITCARD", " Credit  Card ", "creditCard"])
def test_a_payment_type_is_known_however_it_is_written(name: str) -> None:
    assert validated(paymentType=name)["paymentType"] == "Credit Card"


def test_another_payment_type_is_refused_with_those_that_are_taken() -> None:
    refused = validated(paymentType="Bitcoin")

    assert refused["refusal"]["code"] == "payment_type"
    assert "Credit Card, Debit Card" in refused["refusal"]["reason"]


def test_the_payment_types_are_a_setting() -> None:
    stage = ValidatePayment(payment_types=["Voucher"], test_cards=[TEST_CARD])

    assert stage(payment(paymentType="voucher"))["paymentType"] == "Voucher"
    assert stage(payment())["kind"] == "refused"


def test_an_expired_card_is_refused() -> None:
    last_year = datetime.now(UTC) - timedelta(days=366)

    assert validated(expiry=f"{last_year:%m/%y}")["refusal"]["code"] == "card_expired"


def test_a_card_is_taken_in_its_last_month() -> None:
    this_month = datetime.now(UTC)

    assert validated(expiry=f"{this_month:%m/%y}")["expiry"] == f"{this_month:%m/%y}"


def test_a_refusal_keeps_what_the_payer_knows_the_payment_by() -> None:
    refused = ValidatePayment()(payment(amount=1999, currency="EUR", reference="Order 1138"))

    assert (refused["paymentId"], refused["card"]) == ("0123abcd", "3456")
    assert (refused["amount"], refused["currency"], refused["reference"]) == (1999, "EUR", "Order 1138")


def test_an_amount_with_a_decimal_point_is_passed_on_as_an_integer() -> None:
    assert repr(validated(amount=1999.0)["amount"]) == "1999"


CARDS = st.text("0123456789", min_size=12, max_size=19)


@given(
    CARDS,
    st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=40),
    st.sampled_from([{}, {"expiry": "01/20"}, {"expiry": "12/99"}]),
)
def test_whatever_comes_in_goes_out_as_its_queue_wants_it(card: str, kind: str, more: dict[str, str]) -> None:
    body = {**ORIGINAL, "cardNo": card, "paymentType": kind, **more}
    if not PAYMENT.is_valid(body):
        return
    result = ValidatePayment()(Message("ab" * 16, body))

    if "refusal" in result:
        assert NOTIFICATION.is_valid(result)
        assert card not in str(result)
    else:
        assert PAYMENT.is_valid(result)
        assert passes_luhn(card)


def test_a_refusal_of_an_amount_without_a_currency_can_be_mailed() -> None:
    refused = validated(cardNo="4242424242424241", amount=1999)

    assert NOTIFICATION.is_valid(refused)
    assert "amount" not in refused


_GOOD_OR_BAD: dict[str, st.SearchStrategy[Any]] = {
    "user": st.sampled_from(["a@example.com", "o'hara+shop@mail.example.co.uk", "49170123456@x.y"]),
    "paymentType": st.sampled_from(["Credit Card", "creditcard", "Bitcoin", "x" * 40, "Käse", "1"]),
    "cardNo": st.sampled_from([TEST_CARD, "4242424242424242", "4000000000000002", "4242424242424241", "0" * 19]),
    "expiry": st.sampled_from(["01/20", "12/99"]),
    "amount": st.sampled_from([1, 1999, 1999.0, 99_999_999_999]),
    "currency": st.sampled_from(["EUR", "JPY", "XXX"]),
    "reference": st.sampled_from(["Order 1138", "x" * 140, "Grüße", "12.11.2026 - 15.11.2026", " "]),
}
_NEEDED = ("user", "paymentType", "cardNo")
_PAYMENT = st.fixed_dictionaries(
    {name: _GOOD_OR_BAD[name] for name in _NEEDED},
    optional={name: values for name, values in _GOOD_OR_BAD.items() if name not in _NEEDED},
)


@given(_PAYMENT, st.sampled_from([None, 100]))
def test_whatever_a_payment_has_its_payer_can_be_told(
    tmp_path_factory: pytest.TempPathFactory, body: dict[str, Any], amount: int | None
) -> None:
    """Each subset of the fields, each field good or bad: what comes out is what its queue takes, and can be written."""
    assert PAYMENT.is_valid(body)
    result = ValidatePayment(test_cards=[TEST_CARD])(Message("ab" * 16, body))
    if "refusal" not in result:
        assert PAYMENT.is_valid(result)
        charges = tmp_path_factory.getbasetemp() / "any payment.db"
        with ProcessPayment(amount=amount, charges=charges) as process:
            result = process(Message(new_id(), result))

    assert NOTIFICATION.is_valid(result)
    letter = LETTERS.write(result)
    assert str(body["cardNo"]) not in letter.text + letter.html


def test_so_many_payment_types_that_no_mail_could_name_them_are_refused_at_the_start() -> None:
    with pytest.raises(ValueError, match="of 300 characters"):
        ValidatePayment(payment_types=[f"Voucher number {number}" for number in range(20)])


@pytest.mark.parametrize("wrong", [[], ["Credit Card", ""], [" "]])
def test_at_least_one_payment_type_has_to_be_named(wrong: list[str]) -> None:
    with pytest.raises(ValueError, match="payment_types must list at least one name, and none that is empty"):
        ValidatePayment(payment_types=wrong)


def test_no_card_number_shows_in_its_repr() -> None:
    assert TEST_CARD not in repr(ValidatePayment(test_cards=[TEST_CARD]))
