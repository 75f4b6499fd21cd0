"""Card numbers out of texts that are written down: logs, dead letters, answers.

PCI DSS 3.4.1: at most the last four digits of a card number may be shown. A text
that somebody else made (an exception's, say) may hold one unawares.
"""

from __future__ import annotations

import re

_RUN = re.compile(r"(?<![0-9A-Fa-f])\d(?:[ -]?\d){11,}(?![0-9A-Fa-f])")
_CARD = re.compile(r"(?<![0-9a-z])(?=[0-9]*[a-f])[0-9a-f]{32}(?![0-9a-z])|\d(?:[ ._-]{0,2}\d){12,18}(?!\d)")
"""An id of ours, which is left alone; or as many digits as a card number has (ISO/IEC 7812-1)."""
_DOUBLED = str.maketrans("0123456789", "0246813579")
"""Digit → the sum of the digits of its double: 7 → 14 → 5."""


def mask(text: str) -> str:
    """`text` with every run of 12 or more digits cut down to its last four; they may be
    parted by spaces or dashes. A hexadecimal id is no such run. What passes the check of
    card numbers may be parted in other ways too, and stand within a word.
    """
    return _RUN.sub(_cut, _CARD.sub(lambda run: _cut(run) if passes_luhn(_digits(run)) else run[0], text))


def passes_luhn(number: str) -> bool:
    """Whether the check digit of `number` is right (ISO/IEC 7812-1, annex B)."""
    if not (number.isascii() and number.isdigit()):
        return False
    doubled = number[-2::-2].translate(_DOUBLED)
    return sum(map(int, number[::-2] + doubled)) % 10 == 0


def _digits(run: re.Match[str]) -> str:
    return re.sub("[ ._-]", "", run[0])


def _cut(run: re.Match[str]) -> str:
    return "••••" + _digits(run)[-4:]
