"""A value → YAML text that reads back as the same value.

For showing a pipeline. Left out: reading (see `runner.config.yaml.parser`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from runner.config.yaml.scalars import resolve
from runner.config.yaml.variables import escape

_PLAIN = re.compile(r"[A-Za-z0-9_./](?:[A-Za-z0-9_./@+%*~=!$-]|:(?=[A-Za-z0-9_./*])| (?=[A-Za-z0-9_./]))*")
_WIDTH = 72


def inline(value: Any) -> str:
    """`value` on one line, in flow style."""
    if isinstance(value, str):
        return scalar(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key(name)}: {inline(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item) for item in value) + "]"
    return json.dumps(value)


def block(value: Any, indent: int) -> Iterator[str]:
    """The lines of `value` as the value of a key: the first goes after the key, the others
    below it, indented by `indent`."""
    one_line = inline(value)
    if not isinstance(value, (Mapping, list)) or not value or len(one_line) + indent <= _WIDTH:
        yield f" {one_line}"
        return
    yield ""
    margin = " " * indent
    if isinstance(value, Mapping):
        for name, member in value.items():
            first, *rest = block(member, indent + 2)
            yield f"{margin}{key(name)}:{first}"
            yield from rest
        return
    for item in value:
        first, *rest = block(item, indent + 2)
        if not first:
            first, *rest = rest
        yield f"{margin}- {first.lstrip()}"
        yield from rest


def scalar(text: str) -> str:
    """A text, quoted where it would be read as something else; its dollar signs escaped."""
    text = escape(text)
    return text if _PLAIN.fullmatch(text) and isinstance(resolve(text), str) else _quoted(text)


def key(text: str) -> str:
    """A mapping's key: always text, and nothing in it is replaced."""
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _quoted(text: str) -> str:
    return '"' + "".join(_escaped(character) for character in text) + '"'


def _escaped(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
