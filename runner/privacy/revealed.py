"""The sealed values that handlers of this process have open now, and how to remove them from a text.

An exception may quote a value that doesn't look like a card number, or that looks like one
to nobody but its sender. While a handler has it open, it is known, and searched for in
every text for people. Left out: copies that were changed (a half, a hash, base64).
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable

from runner.privacy.sealed import Revealed

FEWEST = 4
"""Letters and digits of a value: a shorter one is found only as a whole word."""
LONGEST = 64
"""Letters and digits of a value that is found whatever separates them."""
CARDS = range(12, 20)
"""Digits of a number that is found also where its parts are values of a mapping: it is there by no chance."""
_BETWEEN = r"[\W_]{0,3}"
_BETWEEN_VALUES = r"\W{0,8}+(?:[^\W\d]\w{0,23}+\W{1,8}+){0,3}+(?:\w{1,24}+['\"]?\s?[:=]\W{0,4}+)?+"
"""`4242', 'part_2': '`"""


class Openings:
    """Values in the hands of handlers, each as often as it was opened."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._masks: dict[str, tuple[str, int]] = {}

    def add(self, values: Iterable[Revealed]) -> None:
        with self._lock:
            for value in values:
                self._masks[str(value)] = (value.mask, self._masks.get(value, ("", 0))[1] + 1)

    def drop(self, values: Iterable[str]) -> None:
        with self._lock:
            for value in values:
                mask, count = self._masks.get(value, ("", 0))
                if count > 1:
                    self._masks[str(value)] = (mask, count - 1)
                else:
                    self._masks.pop(value, None)

    def hide(self, text: str) -> str:
        """`text` with the mask of each value instead of it, also where it is written with spaces
        or dashes, in another case, or in escapes."""
        if not self._masks:
            return text
        with self._lock:
            known = sorted(self._masks.items(), key=lambda item: len(item[0]), reverse=True)
        for value, (mask, _) in known:
            text = re.sub(_pattern(value), lambda _, mask=mask: mask, text, flags=re.IGNORECASE)  # type: ignore[misc]
        return text


def _pattern(value: str) -> str:
    """Linear in the text: what may stand between two characters can't be one of them."""
    forms = {value, repr(value)[1:-1], ascii(value)[1:-1], json.dumps(value)[1:-1]} - {""}
    patterns = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
    letters = "".join(filter(str.isalnum, value))
    if letters.isdigit():
        letters = letters.lstrip("0")  # as a number
    if not value:
        return r"(?!)"  # nothing
    if len(value) < FEWEST:
        return rf"(?<!\w)(?:{'|'.join(patterns)})(?!\w)"
    if FEWEST <= len(letters) <= LONGEST:
        patterns.append(_BETWEEN.join(map(re.escape, letters)))
    if letters.isdigit() and len(letters) in CARDS:
        patterns.append(_BETWEEN_VALUES.join(letters))
    return "|".join(patterns) or r"(?!)"


OPEN = Openings()
"""Those of this process."""
