"""Card numbers in texts that are written down."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.privacy.masking import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("card 4111111111111111 declined", "card ••••1111 declined"),
        ("4111 1111 1111 1111", "••••1111"),
        ("4111-1111-1111-1234", "••••1234"),
        ("123456789012", "••••9012"),
        ("6304000000000000000", "••••0000"),
        ("a='5500005555555559',b=1", "a='••••5559',b=1"),
        ("amount 4111111111111111EUR", "amount ••••1111EUR"),
        ("4111.1111.1111.1111", "••••1111"),
        ("4111_1111_1111_1111", "••••1111"),
        ("4111  1111 1111 1111", "••••1111"),
        ("A4111111111111111A", "A••••1111A"),
        ("two: 4111111111111111 and 5500005555555559.", "two: ••••1111 and ••••5559."),
    ],
)
def test_all_but_the_last_four_digits_go(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text", ["12345678901", "order 2026-1138", "15492494c0d04ea3b839b64b20d362ef", "port 5672", "1.25", ""]
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert mask(text) == text


@given(st.text(alphabet="0123456789 x-", max_size=60))
def test_never_more_than_eleven_digits_stay_together(text: str) -> None:
    runs = re.split(r"[^0-9]+", mask(text))
    assert all(len(run) < 12 for run in runs)
