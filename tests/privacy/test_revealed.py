"""What a handler has open is removed from every text for people, however it is written there."""

from __future__ import annotations

import pytest

from runner.privacy.masking import mask
from runner.privacy.revealed import OPEN, Openings
from runner.privacy.sealed import Home, Revealed


def revealed(value: str, shown: str = "····7890") -> Revealed:
    return Revealed(value, shown, "token", Home("p1", "/cardNo"))


NUMBER = "123456789067890"  # fits no brand, and its check digit is wrong


def hidden(value: str, text: str) -> str:
    openings = Openings()
    openings.add([revealed(value)])
    return openings.hide(text)


@pytest.mark.parametrize(
    "written",
    [
        NUMBER,
        "1234 5678 9067 890",
        "1234-5678-9067-890",
        "1234.5678.9067.890",
        "1 2 3 4 5 6 7 8 9 0 6 7 8 9 0",
        "12345\n67890\n67890",
        "1234_5678_9067_890",
        "1234', 'b': '5678', 'c': '9067', 'd': '890",
        "1234', 'part2': '5678', 'part3': '9067', 'part4': '890",
        "1234, 1: 5678, 2: 9067, 3: 890",
        "1234), Part(number=5678), Part(number=9067), Part(number=890",
        ", 1: ".join(NUMBER),
    ],
)
def test_a_number_is_found_however_it_is_spaced(written: str) -> None:
    assert hidden(NUMBER, f"no such card: {written}!") == "no such card: ····7890!"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Jürgen@example.com", "JÜRGEN@example.com"),
        ("a\tb\\c d", r"'a\tb\\c d'"),
        ("Jürgen@example.com", r"J\xfcrgen@example.com"),
        ("Jürgen@example.com", r'{"user": "J\u00fcrgen@example.com"}'),
        ("000123456789", "int 123456789"),
        ("ab", "is ab."),
    ],
)
def test_a_text_is_found_in_another_case_in_escapes_and_as_a_number(value: str, text: str) -> None:
    assert "····7890" in hidden(value, text)


def test_a_short_value_is_not_found_within_words() -> None:
    assert hidden("ab", "about absent") == "about absent"


def test_an_empty_value_is_found_nowhere() -> None:
    assert hidden("", "failed: - (see '...') ") == "failed: - (see '...') "


def test_a_value_is_searched_for_as_long_as_somebody_has_it_open() -> None:
    openings = Openings()
    for _ in range(2):
        openings.add([revealed(NUMBER)])
    openings.drop([revealed(NUMBER)])
    assert openings.hide(NUMBER) == "····7890"
    openings.drop([revealed(NUMBER)])
    assert openings.hide(NUMBER) == NUMBER


def test_a_short_number_is_not_found_among_others() -> None:
    assert hidden("1234", "a=1, b=2, c=3, d=4") == "a=1, b=2, c=3, d=4"


def test_a_long_value_costs_no_more_than_its_length() -> None:
    dashes = "-" * 10_000
    assert hidden("a-" * 30 + "b", dashes) == dashes
    assert hidden("x" * 100_000, "x" * 99_999) == "x" * 99_999
    for piece in ("1, ", "1a: ", "1" + "a" * 24):
        assert hidden("1" * 18 + "2", piece * 10_000) == piece * 10_000


def test_every_text_that_is_masked_is_searched() -> None:
    values = [revealed(NUMBER)]
    OPEN.add(values)
    try:
        assert mask(f"no such card: {NUMBER}") == "no such card: ····7890"
    finally:
        OPEN.drop(values)
    assert NUMBER in mask(f"no such card: {NUMBER}")
