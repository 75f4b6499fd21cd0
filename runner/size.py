"""Sizes as people write them: `512`, `64KiB`, `1MiB`. Parsing and formatting only."""

from __future__ import annotations

import re

_UNITS = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_WHOLE = re.compile(r"(\d{1,15}) ?(GiB|MiB|KiB|B)")


def parse(text: str | int) -> int:
    """Bytes of `text`. Raises ValueError with a sentence for the user."""
    if isinstance(text, int) and not isinstance(text, bool):
        return text
    match = _WHOLE.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{text!r} is no size; write 64KiB, 1MiB or a number of bytes")
    return int(match[1]) * _UNITS[match[2]]


def format(count: int) -> str:  # noqa: A001 - read as size.format
    """The shortest exact text of `count` bytes: 65536 → `64KiB`, 1000 → `1000B`."""
    unit = next((unit for unit, factor in _UNITS.items() if count >= factor and count % factor == 0), "B")
    return f"{count // _UNITS[unit]}{unit}"
