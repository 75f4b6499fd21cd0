"""Card numbers in texts for people."""

from __future__ import annotations

import re
import sys
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from runner.privacy.card_numbers import mask_card_numbers as mask

MADE_UP = "1234567890123456"
CARDS = ["4111111111111111", "5500005555555559", "378282246310005", "30569309025904", "6759649826438453", MADE_UP]
SEPARATORS = [
    *(" ", "\t", "\u00a0", "\u2009", "\u202f", "/", ",", "-", ".", "_", "|", "·", "\u200b"),
    *("\n", "\r\n    ", "  ", "\\xa0", "\\xc2\\xa0", "\\u2009", "\\n", "%20", "&nbsp;", "•"),
    *("<br>", "</b> <b class='d'>", "\x1b[31m", "\\x1b[0;1m", "\\u001b[0m", "\\033[0m", "\\u{200b}", "\\N{EN SPACE}"),
    *("=20", "=09", "=\r\n", "=C2=A0", "=E2=80=89", "%2520", "%u2009", "&amp;nbsp;", "\\302\\240", "\\040"),
]


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("card 4111111111111111 declined", "card ••••1111 declined"),
        ("4111 1111 1111 1111", "••••1111"),
        ("6304000000000000000", "••••0000"),
        ("a='5500005555555559',b=1", "a='••••5559',b=1"),
        ("amount 4111111111111111EUR", "amount ••••1111EUR"),
        ("4111  1111 1111 1111", "••••1111"),
        ("A4111111111111111A", "A••••1111A"),
        ("two: 4111111111111111 and 5500005555555559.", "two: ••••1111 and ••••5559."),
        ("worker-1 4111 1111 1111 1111 5672", "worker-1 ••••1111 5672"),
        ("on 2026-11-23 4111 1111 1111 1111", "on 2026-11-23 ••••1111"),
        ("4111:1111:1111:1111", "••••1111"),
        ("b'4111\\xc2\\xa01111\\xc2\\xa01111\\xc2\\xa01111'", "b'••••1111'"),
        ("card=%204111111111111111 100%4111111111111111", "card=%20••••1111 100%••••1111"),
        ("'\\xa04111111111111111'", "'\\xa••••1111'"),
        ("card=204111111111111111, =E2=80=894111111111111111", "card=20••••1111, =E2=80=89••••1111"),
        ("4111111111111111 for <jane@example.com>", "••••1111 for <jane@example.com>"),
        ("4.111111111111111e+15", "••••1111e+15"),
        ("１２３４５６７８９０１２３４５６", "••••3456"),
        ("٤١١١ ١١١١ ١١١١ ١١١١", "••••1111"),
        ("41111111111111114111111111111111", "••••1111"),
    ],
)
def test_all_of_a_card_number_but_the_last_four_digits_goes(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("separator", SEPARATORS)
def test_whatever_separates_the_digits_the_number_is_found(card: str, separator: str) -> None:
    masked = f"card ••••{card[-4:]} declined"
    for parts in (list(card), re.findall(r"\d{1,4}", card), [card[:4], card[4:10], card[10:]], [card[:7], card[7:]]):
        assert mask(f"card {separator.join(parts)} declined") == masked


@pytest.mark.parametrize("card", CARDS)
def test_a_list_of_digits_is_a_number_too(card: str) -> None:
    for digits in (list(card), list(map(int, card)), tuple(card), [digit.encode() for digit in card]):
        assert sum(map(str.isdigit, mask(f"{digits!r}"))) == 4
    assert "1" not in mask('["3782", "822463", "10005"]')


@pytest.mark.parametrize("text", ["4111111111111112", "4111-1111-1111-1234", "3782 822463 10006", "2720991234567890"])
def test_a_card_number_that_was_mistyped_is_masked(text: str) -> None:
    assert mask(text) == f"••••{text[-4:]}"


@pytest.mark.parametrize(
    "text",
    [
        *("12345678901", "order 2026-1138", "order 100000000017", "port 5672", "1.25", ""),
        *("2026-11-23 00:48:44.123456", "2026-11-23T00:48:44Z 2026-11-23T00:48:45Z", "20261123004844"),
        *("1795394924", "1795394924123", "1795394924123456", "1795394924123456789", "17953949240000004"),
        *("EAN 4006381333931", "EAN 5901234123457", "EAN 9780306406157", "UPC 036000291452"),
        *("15492494c0d04ea3b839b64b20d362ef", "<15492494c0d04ea3b839b64b20d362ef.1.paid@example.com>"),
        *("f47ac10b-58cc-4372-8567-0e02b2c3d479", "12345678-1234-4234-8234-123456789012"),
        *("30b7306dd5a8b6a2a2c4111111111111aaaaaaaa", "9223372036854775807", "3.141592653589793", "0.000000000000"),
        *("192.168.100.200:5672", "52.123.100.200:56789", "[120, 3400, 56, 7800, 12, 450]"),
        *("12 m², 3 m³, a¹²³⁴⁵⁶⁷⁸⁹⁰¹", "①②③ of ④"),
        *('File "/srv/app.py", line 1234, in charge', "new/1795394924.M345941P8300Q00000000.mailbox"),
    ],
)
def test_what_is_no_card_number_stays(text: str) -> None:
    assert mask(text) == text


def with_check_digit(digits: str) -> str:
    doubled = digits[::-1][::2].translate(str.maketrans("0123456789", "0246813579"))
    return digits + str(-sum(map(int, doubled + digits[::-1][1::2])) % 10)


card_numbers = st.from_regex(r"(?:4|5[1-5]|6[0579]|3[4-8])[0-9]{11,16}", fullmatch=True).map(with_check_digit)
digitless = st.text(st.characters(exclude_categories=["Nd"]))


@given(digitless, card_numbers, st.data(), digitless)
@example("%", "4111111111111111", None, "%")
@example("\\x", "4111111111111111", None, "\\")
def test_no_text_around_a_number_and_no_separator_in_it_shows_more_than_its_last_four_digits(
    before: str, card: str, data: st.DataObject | None, after: str
) -> None:
    separator = st.sampled_from(["", "", "", *SEPARATORS])
    separators = [data.draw(separator) for _ in card[1:]] if data else [""] * (len(card) - 1)
    separated = card[0] + "".join(map("".join, zip(separators, card[1:], strict=True)))
    assert mask(before + separated + after) == f"{mask(before)}••••{card[-4:]}{mask(after)}"


@given(card_numbers, st.sampled_from([0x660, 0x966, 0xFF10, 0x1D7CE]))
def test_the_digits_of_every_script_are_digits(card: str, zero: int) -> None:
    assert mask("".join(chr(zero + int(digit)) for digit in card)) == f"••••{card[-4:]}"


@pytest.mark.parametrize("digits", ["⁰¹²³⁴⁵⁶⁷⁸⁹", "₀₁₂₃₄₅₆₇₈₉", "⓪①②③④⑤⑥⑦⑧⑨", "0¹2³4⁵6⁷8⁹"])
@pytest.mark.parametrize("card", CARDS)
def test_raised_and_circled_digits_are_digits(digits: str, card: str) -> None:
    written = card.translate(str.maketrans("0123456789", digits))
    assert mask(f"m²: {written}") == f"m2: ••••{card[-4:]}"
    assert mask(f"m² ²{card}") == f"m² ²••••{card[-4:]}"


@given(st.datetimes(), st.uuids(), st.integers(0, 2**32))
def test_moments_uuids_and_small_numbers_stay(moment: object, uuid: object, number: int) -> None:
    for text in (f"{moment}", f"{moment} {moment}", f"{uuid}", f"id {uuid} at {moment}: {number}"):
        assert mask(text) == text


@pytest.mark.parametrize(
    "piece",
    [
        *("1", "1 ", "4, ", "'1', ", "%2", "%20", "1" + 15 * " ", "12345678901x", "\\xa0", "0a", "-", "1\n"),
        *("a", "a.b-", "a@", "@", '"\\', "amqp://", "a:", "&#12;", "\\u", "0.", "1:2"),
        *("<", "<a", "1<", "1<a>", "\x1b[", "1\\N{", "%25", "1&amp;", "=20", "\\033[1;"),
    ],
)
def test_the_work_is_in_proportion_to_the_text(piece: str) -> None:
    """Counted in lines of Python; a regular expression that isn't linear would need minutes here."""
    short, long = (lines_run(piece * (size // len(piece))) for size in (4_096, 65_536))
    assert long < 20 * short + 200


def lines_run(text: str) -> int:
    """How many lines of Python run while `text` is masked."""
    count = 0

    def step(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal count
        count += 1
        return step

    before = sys.gettrace()
    sys.settrace(step)
    try:
        mask(text)
    finally:
        sys.settrace(before)
    return count
