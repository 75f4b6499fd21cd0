"""Tokens and masks as text, and what a handler gets for a sealed value."""

from __future__ import annotations

import copy
import json
import pickle

import orjson
import pytest

from runner.privacy.sealed import (
    HIDDEN,
    Home,
    Masked,
    Revealed,
    Show,
    as_shown,
    fits,
    is_mask,
    looks_sealed,
    mask_of,
    read_token,
)

CARD = "4111111111111111"
TOKEN = f"sealed.1.a1b2c3d4.{'n' * 16}.{'c' * 43}.····1111"
HOME = Home("p1", "/cardNo")


@pytest.mark.parametrize(
    ("value", "show", "mask"),
    [
        (CARD, "last4", "····1111"),
        ("12345678", "last4", "····5678"),
        ("1234567", "last4", HIDDEN),
        ("", "last4", HIDDEN),
        (CARD, "hidden", HIDDEN),
        ("jane.doe@example.com", "email", "j···@example.com"),
        ('"a@b"@example.com', "email", '"···@example.com'),
        ("no address", "email", HIDDEN),
    ],
)
def test_a_mask_shows_at_most_half_of_a_value(value: str, show: Show, mask: str) -> None:
    assert mask_of(value, show) == mask
    assert is_mask(mask)


def test_a_token_names_its_key_and_shows_its_mask() -> None:
    token = read_token(TOKEN)
    assert token is not None
    assert (token.key, token.mask) == ("a1b2c3d4", "····1111")
    assert fits(token, "last4")
    assert not fits(token, "hidden")


@pytest.mark.parametrize(
    "text",
    [
        "",
        CARD,
        "sealed.1.",
        TOKEN.replace("····1111", CARD),
        TOKEN.replace("····1111", "····11111"),
        TOKEN.replace("····1111", ""),
        TOKEN.replace("sealed.1", "sealed.2"),
        TOKEN.replace("n" * 16, "n" * 15),
        TOKEN.replace("c" * 43, CARD),
        " " + TOKEN,
    ],
)
def test_what_is_no_token_or_shows_more_than_a_mask_is_none(text: str) -> None:
    assert read_token(text) is None


def test_a_token_of_another_version_looks_sealed_too() -> None:
    assert looks_sealed(TOKEN)
    assert looks_sealed("sealed.27.x")
    assert not looks_sealed("sealed. with a kiss")


def test_a_masked_value_is_its_mask_however_it_is_written() -> None:
    masked = Masked("····1111", TOKEN, HOME)
    written = [str(masked), f"{masked}", f"{masked:>8}", "".join([masked]), masked + "", json.loads(json.dumps(masked))]
    assert set(written) == {"····1111"}
    assert orjson.loads(orjson.dumps({"card": masked})) == {"card": "····1111"}
    assert repr(masked) == "'····1111'"
    assert masked[-4:] == "1111"


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_of_a_sealed_value_is_still_sealed(copied: object) -> None:
    assert callable(copied)
    masked = copied({"card": Masked("····1111", TOKEN, HOME)})["card"]
    assert (masked, masked.token, masked.home) == ("····1111", TOKEN, HOME)
    revealed = copied([Revealed(CARD, "····1111", TOKEN, HOME)])[0]
    assert (str(revealed), revealed.mask, revealed.token, revealed.home) == (CARD, "····1111", TOKEN, HOME)


def test_a_revealed_value_is_itself_and_its_repr_is_the_mask() -> None:
    revealed = Revealed(CARD, "····1111", TOKEN, HOME)
    assert revealed == CARD
    assert f"{revealed}" == CARD
    assert repr(revealed) == f"{revealed!r}" == "'····1111'"
    assert CARD not in repr({"payment": [revealed]})


def test_what_is_kept_about_a_message_has_masks_instead_of_tokens() -> None:
    assert as_shown({"cards": [TOKEN, "x", 1], "kind": "paid"}) == {"cards": ["····1111", "x", 1], "kind": "paid"}


@pytest.mark.parametrize("number", ["4111111111111111", "4111 1111 1111 1111", 4111111111111111])
def test_a_card_number_that_nobody_has_marked_is_shown_masked_as_well(number: str | int) -> None:
    assert as_shown({"note": number}) == {"note": "••••1111"}
    assert as_shown([{f"to {number}": None}]) == [{"to ••••1111": None}]
    same = {"id": "83d8f22200154122a0cbee044964e5df", "amount": 1999, "ok": True, "rate": 0.5, "none": None}
    assert as_shown(same) == same
    assert as_shown(True) is True
