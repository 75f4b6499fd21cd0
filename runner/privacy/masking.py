"""What a text that somebody else made may hold unawares is masked: card numbers and addresses.

Whatever is written down for people goes through here last: logs, dead letters, answers.
"""

from __future__ import annotations

from runner.privacy.addresses import mask_addresses
from runner.privacy.card_numbers import mask_card_numbers


def mask(text: str) -> str:
    """`text` without payers' addresses, and without more of a card number than its last four digits."""
    return mask_card_numbers(mask_addresses(text))
