"""Durations (`2s`, `15m`, `1h30m`), rates (`100/s`) and sizes (`64KiB`, `1MiB`), as people write them.

Only parses and formats; how long anything waits, and how large it may be, is decided elsewhere.
"""

from __future__ import annotations

import re

_MILLISECONDS = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|d|h|m|s)")
_DURATION = re.compile(rf"(?:{_DURATION_PART.pattern})+")
LONGEST = 1e12
"""Seconds, some 30,000 years: more counts as that, since a float may be too large for any whole number."""
_RATE = re.compile(r"([1-9][0-9]{0,8})/(s|m|h|d)")
_BYTES = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_SIZE = re.compile(r"(\d{1,15}) ?(GiB|MiB|KiB|B)")


def parse_duration(text: str | int | float) -> float:
    """Seconds of `text`: a number of seconds, or parts such as `1h30m`; at most LONGEST.

    Raises ValueError with a sentence for the user.
    """
    if isinstance(text, (int, float)) and not isinstance(text, bool):
        return min(float(text), LONGEST)
    compact = str(text).replace(" ", "")
    if not _DURATION.fullmatch(compact):
        raise ValueError(f"{text!r} is not a duration; write 500ms, 2s, 15m, 1h30m or 7d")
    milliseconds = sum(float(number) * _MILLISECONDS[unit] for number, unit in _DURATION_PART.findall(compact))
    return min(milliseconds / 1000, LONGEST)


def format_duration(seconds: float) -> str:
    """The shortest exact text of `seconds`, to the millisecond: 162 → `2m42s`."""
    rest = round(seconds * 1000)
    if rest <= 0:
        return "0s"
    parts = []
    for unit, size in _MILLISECONDS.items():
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def span(seconds: float) -> str:
    """Seconds, as precisely as people need them."""
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{rest:02}s"


def parse_rate(text: str) -> tuple[int, int]:
    """How many in how many seconds: `100/s` → 100, 1. Raises ValueError with a sentence for the user."""
    match = _RATE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise ValueError(f"{text!r} is not a rate; write 100/s, 60/m, 1000/h or 5000/d")
    return int(match[1]), _MILLISECONDS[match[2]] // 1000


def format_rate(count: int, seconds: int) -> str:
    """100, 1 → `100/s`."""
    return f"{count}/{next(unit for unit, size in _MILLISECONDS.items() if size == seconds * 1000)}"


def parse_size(text: str | float) -> int:
    """Bytes of `text`; a number of them may be written as 65536.0. Raises ValueError with a
    sentence for the user."""
    if isinstance(text, (int, float)) and not isinstance(text, bool) and text == int(text):
        return int(text)
    match = _SIZE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is not a size; write 64KiB, 1MiB or a number of bytes")
    return int(match[1]) * _BYTES[match[2]]


def format_size(count: int) -> str:
    """The shortest exact text of `count` bytes: 65536 → `64KiB`, 1000 → `1000B`."""
    unit = next((unit for unit, factor in _BYTES.items() if count >= factor and count % factor == 0), "B")
    return f"{count // _BYTES[unit]}{unit}"
