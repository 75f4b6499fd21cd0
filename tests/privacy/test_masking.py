"""Texts for people lose card numbers and addresses at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.privacy.masking import LONGEST, mask, mask_and_cut, mask_name
from runner.privacy.revealed import OPEN
from runner.privacy.sealed import Home, Revealed


def test_card_numbers_and_addresses_are_masked_together() -> None:
    text = "4111111111111111@example.com paid with 5500 0055 5555 5559"
    assert mask(text) == "4•••@example.com paid with ••••5559"


def test_a_card_number_in_a_secret_parameter_is_masked_whole() -> None:
    assert (
        mask("no https://a:b@c.d/?token=4111 1111 1111 1111 or x") == "no https://a:********@c.d/?token=******** or x"
    )


@given(st.text())
def test_what_was_masked_is_masked_no_further(text: str) -> None:
    assert mask(mask(text)) == mask(text)


@pytest.mark.parametrize("edge", [LONGEST // 2, -LONGEST // 2])
@pytest.mark.parametrize("number", ["4111111111111111", "\\U000000a0".join("4111111111111111")])
def test_where_a_long_text_is_cut_no_part_of_a_number_is_left(edge: int, number: str) -> None:
    for place in range(edge - len(number), edge + 1, max(1, len(number) // 16)):
        text = "x" * (200_000 + place if edge < 0 else place) + number
        shown = mask(text + "x" * (200_000 - len(text)))
        assert "1" not in shown.replace("••••1111", "")
        assert len(shown) < LONGEST


@pytest.mark.parametrize("told", ["4242424242424242", "buyer@example.com"])
def test_what_is_cut_was_masked_before(told: str) -> None:
    for place in range(81, 102):
        shown = mask_and_cut("-" * place + " " + told, 100)
        assert len(shown) <= 100
        assert set(shown.lstrip("- ")) <= set(mask(told))
        assert told[:6] not in shown


def test_both_ends_of_a_long_text_are_shown() -> None:
    shown = mask("ValueError: " + "x" * 10_000_000 + " for jane@example.com")
    assert shown.startswith("ValueError: xxx")
    assert shown.endswith("xxx for j•••@example.com")


@pytest.mark.parametrize("text", ["process_payment", "ann@example.com 4111111111111111", "4111 1111 1111 1111 " * 50])
def test_a_name_that_comes_again_is_masked_each_time(text: str) -> None:
    assert [mask_name(text) for _ in range(3)] == [mask(text)] * 3


def test_what_is_open_since_is_masked_in_a_name_that_came_before() -> None:
    assert mask_name("stage K7-XYZZY-1") == "stage K7-XYZZY-1"
    opened = [Revealed("K7-XYZZY-1", "····", "", Home("m", "/a"))]
    OPEN.add(opened)
    try:
        assert mask_name("stage K7-XYZZY-1") == "stage ····"
    finally:
        OPEN.drop(opened)
