"""Check digits, expiry dates, and the part of a number that may be shown."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import Pause
from stages.cards import is_expired, last_four, open_number, passes_luhn


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "4242424242424242",
        "5555555555554444",
        "378282246310005",
        "6011111111111117",
        "1234567890123452",
    ],
)
def test_the_check_digit_is_right(number: str) -> None:
    assert passes_luhn(number)


@pytest.mark.parametrize("number", ["1234567890123456", "4111111111111112", "411111111111111", "", "4111-1111", "٤١١١"])
def test_the_check_digit_is_wrong(number: str) -> None:
    assert not passes_luhn(number)


@given(st.text("0123456789", min_size=11, max_size=18))
def test_exactly_one_check_digit_fits_any_number(number: str) -> None:
    assert sum(passes_luhn(number + digit) for digit in "0123456789") == 1


@given(st.text("0123456789", min_size=12, max_size=19).filter(passes_luhn), st.data())
def test_a_single_wrong_digit_is_always_noticed(number: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(number) - 1))
    digit = data.draw(st.sampled_from("0123456789").filter(lambda d: d != number[place]))

    assert not passes_luhn(number[:place] + digit + number[place + 1 :])


@pytest.mark.parametrize(
    ("expiry", "today", "expired"),
    [
        ("11/26", date(2026, 11, 1), False),
        ("11/26", date(2026, 11, 30), False),
        ("11/26", date(2026, 12, 1), True),
        ("12/26", date(2026, 12, 31), False),
        ("12/26", date(2027, 1, 1), True),
        ("01/27", date(2026, 12, 31), False),
        ("02/24", date(2024, 2, 29), False),
        ("12/25", date(2026, 1, 1), True),
    ],
)
def test_a_card_is_good_to_the_last_day_of_its_month(expiry: str, today: date, expired: bool) -> None:
    assert is_expired(expiry, today) is expired


def test_only_the_last_four_digits_are_shown() -> None:
    assert last_four("1234567890123456") == "3456"


def test_a_mask_is_no_number_and_the_file_is_to_blame() -> None:
    assert open_number("4242424242424242") == "4242424242424242"
    with pytest.raises(Pause, match=r"give it 'reveal: \[cardNo\]'"):
        open_number("····4242")
