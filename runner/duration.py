"""Durations as people write them: `500ms`, `2s`, `15m`, `1h30m`, `7d`.

Only parsing and formatting; how long anything waits is decided elsewhere.
"""

from __future__ import annotations

import re

_UNITS_MS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def parse(text: str | int | float) -> float:
    """Seconds of `text`: a number of seconds, or parts such as `1h30m`.

    Raises ValueError with a sentence for the user.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return float(text)
    compact = str(text).replace(" ", "")
    if not _WHOLE.fullmatch(compact):
        raise ValueError(f"{text!r} is no duration; write 500ms, 2s, 15m, 1h30m or 7d")
    return sum(float(number) * _UNITS_MS[unit] for number, unit in _PART.findall(compact)) / 1000


def format(seconds: float) -> str:  # noqa: A001 - read as duration.format
    """The shortest exact text of `seconds`, to the millisecond: 162 → `2m42s`."""
    rest = round(seconds * 1000)
    if rest <= 0:
        return "0s"
    parts = []
    for unit, size in _UNITS_MS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)
