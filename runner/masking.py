"""Card numbers out of texts that are written down: logs, dead letters, answers.

PCI DSS 3.4.1: at most the last four digits of a card number may be shown. A text
that somebody else made (an exception's, say) may hold one unawares.
"""

from __future__ import annotations

import re

_DIGITS = re.compile(r"(?<![0-9A-Fa-f])\d(?:[ -]?\d){11,}(?![0-9A-Fa-f])")


def mask(text: str) -> str:
    """`text` with every run of 12 or more digits cut down to its last four; they may be
    parted by spaces or dashes. A hexadecimal id is no such run."""
    return _DIGITS.sub(lambda run: "••••" + re.sub("[ -]", "", run[0])[-4:], text)
