"""Card numbers out of texts that are written down: logs, dead letters, answers.

PCI DSS 3.4.1: at most the last four digits of a card number may be shown. A text
that somebody else made (an exception's, say) may hold one unawares.
"""

from __future__ import annotations

import re

_CARD_NUMBER = re.compile(r"(?<![0-9A-Fa-f])(?:\d[ -]?){8,15}(\d{4})(?![0-9A-Fa-f])")


def mask(text: str) -> str:
    """`text` with every run of 12 to 19 digits cut down to its last four."""
    return _CARD_NUMBER.sub(r"••••\1", text)
