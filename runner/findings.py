"""What an examination has found, for an operator."""

from __future__ import annotations

from typing import Literal, NamedTuple

Level = Literal["ok", "warning", "fault"]


class Finding(NamedTuple):
    level: Level
    subject: str
    """What was looked at: `broker`, `ledger`, …"""
    text: str
    """What is so; without secrets."""
    remedy: str = ""
    """What to do about it."""
