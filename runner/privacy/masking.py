"""Masks card numbers, addresses and passwords, which a text that we didn't write may contain, and the
secrets and the sealed values that a handler has.

Every text for people goes through here last: logs, dead letters, answers.
"""

from __future__ import annotations

from functools import lru_cache

from runner.privacy.addresses import mask_addresses
from runner.privacy.card_numbers import mask_card_numbers
from runner.privacy.redaction import WITHHELD, hide_parameters, hide_within
from runner.privacy.revealed import OPEN

LONGEST = 65_536
"""Characters. Of a longer text, such as one that an exception quotes, only both ends are useful."""
SHORT = 200
"""Characters of a text that is remembered with its mask."""
EDGE = 12_288
"""Characters left out at a cut in a long text. No number is longer, whatever separates its
digits, so no unrecognized part of one remains."""


def mask(text: str) -> str:
    """`text` without payers' addresses, open values and secrets, and with at most the last four digits of a
    card number. The middle of a long text is left out."""
    text = OPEN.hide(WITHHELD.hide(text))
    if len(text) <= LONGEST:
        return _masked(text)
    head, tail = _masked(text[: LONGEST // 2]), _masked(text[-LONGEST // 2 :])
    return f"{head[:-EDGE]} … {tail[EDGE:]}"


def mask_name(text: str) -> str:
    """The same as `mask`, faster where the same few short texts come again and again."""
    text = OPEN.hide(WITHHELD.hide(text))
    return _masked_before(text) if len(text) <= SHORT else mask(text)


def mask_and_cut(text: str, longest: int) -> str:
    """The first `longest` characters of `text`, masked. It is masked first: half a card number isn't
    known as one."""
    return mask(text)[:longest]


def _masked(text: str) -> str:
    # Parameters last: one whose value has spaces is cut at the first, and the rest of a number isn't known as one.
    return hide_parameters(mask_card_numbers(mask_addresses(hide_within(text))))


_masked_before = lru_cache(maxsize=1_000)(_masked)
