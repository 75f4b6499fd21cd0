"""What a text that somebody else made may hold unawares is masked: card numbers and addresses.

Whatever is written down for people goes through here last: logs, dead letters, answers.
"""

from __future__ import annotations

from runner.privacy.addresses import mask_addresses
from runner.privacy.card_numbers import mask_card_numbers

LONGEST = 65_536
"""Characters. Of a longer text, which an exception may quote, only both ends are of use."""
EDGE = 4_096
"""Characters that are left out where a long text is cut: no number is longer, whatever
separates its digits, so that no part of one stays, unknown for what it is."""


def mask(text: str) -> str:
    """`text` without payers' addresses, and without more of a card number than its last four
    digits. The middle of a long one is left out."""
    if len(text) <= LONGEST:
        return _masked(text)
    head, tail = _masked(text[: LONGEST // 2]), _masked(text[-LONGEST // 2 :])
    return f"{head[:-EDGE]} … {tail[EDGE:]}"


def _masked(text: str) -> str:
    return mask_card_numbers(mask_addresses(text))
