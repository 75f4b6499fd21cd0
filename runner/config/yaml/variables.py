"""`${NAME}`, `${NAME:-default}` and `$$` in a text → the text with the values put in.

As Docker Compose has it. A dollar sign before anything else is a dollar sign.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SPECIAL = re.compile(r"\$\$|\$\{")
_SPECIAL_OR_END = re.compile(r"\$\$|\$\{|\}")
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class VariableFault:
    """A `${` that can't be replaced: the how-manieth in the text, from 0, and why."""

    ordinal: int
    reason: str


def expand(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[VariableFault, ...]]:
    """`text` with its variables replaced by those of `environ`; an empty one counts as
    not set where there is a default."""
    if "$" not in text:
        return text, ()
    expansion = _Expansion(text, environ)
    try:
        expanded, _ = expansion.until_end(0, 0)
    except _MalformedError as error:
        return text, (*expansion.faults, VariableFault(text.count("${", 0, error.start), error.reason))
    return expanded, tuple(expansion.faults)


def escape(text: str) -> str:
    """The text that `expand` turns into `text`."""
    return re.sub(r"\$(?=[${])", "$$", text)


class _MalformedError(Exception):
    def __init__(self, start: int, reason: str) -> None:
        super().__init__(reason)
        self.start = start
        self.reason = reason


class _Expansion:
    def __init__(self, text: str, environ: Mapping[str, str]) -> None:
        self._text = text
        self._environ = environ
        self.faults: list[VariableFault] = []

    def until_end(self, start: int, depth: int) -> tuple[str, int]:
        """The expansion from `start` on, to the end of the text or, in a default, to its `}`;
        and the position there."""
        special = _SPECIAL_OR_END if depth else _SPECIAL
        parts: list[str] = []
        while match := special.search(self._text, start):
            parts.append(self._text[start : match.start()])
            if match[0] == "}":
                return "".join(parts), match.start()
            if match[0] == "$$":
                parts.append("$")
                start = match.end()
            else:
                value, start = self._variable(match.start(), depth)
                parts.append(value)
        return "".join([*parts, self._text[start:]]), len(self._text)

    def _variable(self, start: int, depth: int) -> tuple[str, int]:
        """The value of the `${…}` at `start`, and the position behind it."""
        name = _NAME.match(self._text, start + 2)
        if name is None or depth > _DEEPEST:
            raise self._malformed(start)
        value = self._environ.get(name[0], "")
        if self._text.startswith("}", name.end()):
            if name[0] not in self._environ:
                self._missing(name[0], start)
            return value, name.end() + 1
        if not self._text.startswith(":-", name.end()):
            raise self._malformed(start)
        needed = len(self.faults)
        default, end = self.until_end(name.end() + 2, depth + 1)
        if end == len(self._text):
            raise self._malformed(start)
        if value:
            del self.faults[needed:]  # of the default, which isn't taken
        return value or default, end + 1

    def _missing(self, name: str, start: int) -> None:
        reason = f"the variable {name} isn't set; set it, or give a default: ${{{name}:-...}}"
        self.faults.append(VariableFault(self._text.count("${", 0, start), reason))

    def _malformed(self, start: int) -> _MalformedError:
        end = self._text.find("}", start)
        written = self._text[start : end + 1 or start + 20]
        if end < 0:
            return _MalformedError(start, "'${' is never closed; write ${NAME}, or $${ for the text itself")
        return _MalformedError(
            start, f"'{written}' isn't understood; write ${{NAME}} or ${{NAME:-default}}, or $${{ for the text itself"
        )
