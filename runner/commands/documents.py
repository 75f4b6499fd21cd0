"""The JSON documents in a file: one document, or one on each line."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from typing import BinaryIO

import orjson


@dataclass(frozen=True, slots=True)
class Line:
    """One document: the number of its first line, and its bytes."""

    number: int
    text: bytes


def documents(source: BinaryIO) -> Iterator[Line]:
    """The documents in `source`: one per line if one of the first two lines is a document by
    itself and isn't the only line; else the whole source is one."""
    unmarked = (text.removeprefix(codecs.BOM_UTF8) for text in source)  # Windows programs put a byte order mark first
    numbered = (Line(number, text) for number, text in enumerate(unmarked, start=1) if text.strip())
    first = list(islice(numbered, 2))
    if len(first) == 2 and any(map(_is_json, first)):
        return chain(first, numbered)
    rest = list(chain(first, numbered))
    return iter([Line(rest[0].number, b"".join(line.text for line in rest))] if rest else [])


def _is_json(line: Line) -> bool:
    try:
        orjson.loads(line.text)
    except orjson.JSONDecodeError:
        return False
    return True
