"""What a card number and its expiry date alone tell.

Left out: whether the card can be charged, which only the gateway knows.
"""

from __future__ import annotations

from datetime import date

from runner import Pause

_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Digit → the sum of the digits of its double: 7 → 14 → 5."""


def passes_luhn(number: str) -> bool:
    """Whether the check digit of `number` is right (ISO/IEC 7812-1, annex B)."""
    if not (number.isascii() and number.isdigit()):
        return False
    doubled = number[-2::-2].translate(_DOUBLED)
    return sum(map(int, number[::-2] + doubled)) % 10 == 0


def open_number(number: str) -> str:
    """`number`, if this stage sees it. Raises Pause for a mask: no message is to blame, the file is."""
    if "\N{MIDDLE DOT}" in number:
        raise Pause("the card's number is sealed, and this stage sees only a mask; give it 'reveal: [cardNo]'")
    return number


def last_four(number: str) -> str:
    """The part of a card number that may be shown (PCI DSS 3.4.1)."""
    return number[-4:]


def is_expired(expiry: str, today: date) -> bool:
    """Whether a card printed `MM/YY` is past its last day, which is the last of that month.

    The century is this one: no card is valid for longer than twenty years.
    """
    month, year = int(expiry[:2]), 2000 + int(expiry[3:])
    return (today.year, today.month) > (year, month)
