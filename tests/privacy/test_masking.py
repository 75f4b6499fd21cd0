"""Texts that are written down lose card numbers and addresses, in one go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runner.privacy.masking import mask


def test_card_numbers_and_addresses_are_masked_together() -> None:
    text = "4111111111111111@example.com paid with 5500 0055 5555 5559"
    assert mask(text) == "4•••@example.com paid with ••••5559"


@given(st.text())
def test_what_was_masked_is_masked_no_further(text: str) -> None:
    assert mask(mask(text)) == mask(text)
