"""What a card number and its expiry date say by themselves, without asking anybody.

Whether the card can be charged is the gateway's to know.
"""

from __future__ import annotations

from datetime import date


def last_four(number: str) -> str:
    """The part of a card number that may be shown (PCI DSS 3.4.1)."""
    return number[-4:]


def is_expired(expiry: str, today: date) -> bool:
    """Whether a card printed `MM/YY` is past its last day, which is the month's last.

    The century is this one: no card is valid for longer than twenty years.
    """
    month, year = int(expiry[:2]), 2000 + int(expiry[3:])
    return (today.year, today.month) > (year, month)
