"""JSON as the runner accepts it from others: what is stored is what was checked.

Parsers disagree about a name that occurs twice in an object, and about numbers beyond 64
bits. The schema would judge one reading, and a later program might see the other (a member
that the schema forbids, say), so such a text is refused (RFC 8259, sections 4 and 6, leave
it open).
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import orjson

_LONG_NUMBER = re.compile(rb"\d{19}")
"""The fewest digits of a number beyond 64 bits."""
_PLAIN = {str, int, bool, type(None)}
"""What holds no such number: orjson reads one as a float. To look for digits would take longer than to parse."""
_RANGE = range(-(1 << 63), 1 << 64)


def parse_json(text: bytes) -> Any:
    """The document in `text`. Raises ValueError, whose words repeat nothing of the text.

    A glance shows that nearly every text is harmless: it has no more colons than its outermost
    object has members, and no long run of digits outside of texts.
    """
    document = orjson.loads(text)
    colons, is_plain = 0, False
    if document.__class__ is dict:
        colons, is_plain = len(document), set(map(type, document.values())) <= _PLAIN
    if text.count(b":") != colons or (not is_plain and _LONG_NUMBER.search(text) is not None):
        try:
            _STRICT.decode(text.decode())
        except RecursionError:
            raise ValueError("it is nested too deeply") from None
    return document


def _object(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(members)
    if len(document) != len(members):
        raise ValueError("an object has the same name twice")
    return document


def _integer(digits: str) -> int:
    if len(digits) > 21 or int(digits) not in _RANGE:
        raise ValueError("a whole number has more than 64 bits")
    return 0


_STRICT = json.JSONDecoder(object_pairs_hook=_object, parse_int=_integer, parse_float=str)
