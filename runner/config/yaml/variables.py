"""`${NAME}`, `${NAME:-default}`, `${file:PATH}` and `$$` in a text → the text with the values put in.

As in Docker Compose. A dollar sign before anything else is a dollar sign. If NAME isn't set
and NAME_FILE is, the value is the text of the file that it names, as in Docker's official
images; `runner.config.yaml.secret_files` reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from runner.config.yaml import secret_files
from runner.config.yaml.secret_files import SecretFileError
from runner.wording import one_line, printable

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FILE = re.compile(r"file:(?!-)")
_SPECIAL = re.compile(r"\$\$|\$\{")
_SPECIAL_OR_END = re.compile(r"\$\$|\$\{|\}")
_DEEPEST = 20

MOST_VARIABLES = 100
"""Of one text."""


class Source(IntEnum):
    """Where a value came from: the more secret, the higher."""

    TEXT = 0
    """It is written in the file itself, perhaps as the default of a variable."""
    VARIABLE = 1
    """A part of it came from the environment."""
    FILE = 2
    """A part of it came from a file that holds only this value."""


@dataclass(frozen=True, slots=True)
class VariableProblem:
    """A `${` that can't be replaced: its number among those of the text, from 0, and why."""

    ordinal: int
    reason: str


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables replaced, as far as they could be."""

    text: str
    problems: tuple[VariableProblem, ...] = ()
    source: Source = Source.TEXT
    """Where its most secret part came from."""
    variable: str | None = None
    """The variable that names the whole text, where nothing but its default stands beside it."""


def expand(text: str, environ: Mapping[str, str], folder: Path) -> Expanded:
    """`text` with its variables replaced by those of `environ`; an empty one counts as unset
    if there is a default or a file. Relative paths of files start at `folder`."""
    if "$" not in text:
        return Expanded(text)
    if text.count("${") > MOST_VARIABLES:
        return Expanded(text, (VariableProblem(0, f"a text with more than {MOST_VARIABLES} variables isn't read"),))
    expansion = _Expansion(text, environ, folder)
    try:
        expanded, _ = expansion.until_end(0, 0)
    except _MalformedError as error:
        return Expanded(text, (*expansion.problems, VariableProblem(text.count("${", 0, error.start), error.reason)))
    return Expanded(expanded, tuple(expansion.problems), expansion.source, expansion.whole)


def escape(text: str) -> str:
    """The text that `expand` turns into `text`."""
    return re.sub(r"\$(?=[${])", "$$", text)


class _MalformedError(Exception):
    def __init__(self, start: int, reason: str) -> None:
        super().__init__(reason)
        self.start = start
        self.reason = reason


class _Expansion:
    def __init__(self, text: str, environ: Mapping[str, str], folder: Path) -> None:
        self._text = text
        self._environ = environ
        self._folder = folder
        self.problems: list[VariableProblem] = []
        self.source = Source.TEXT
        self.whole: str | None = None
        """The variable that is the whole text."""

    def until_end(self, start: int, depth: int) -> tuple[str, int]:
        """The expansion from `start` to the end of the text or, in a default, to its `}`; and the
        position there."""
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
        """The value of the `${…}` at `start`, and the position after it."""
        if depth > _DEEPEST:
            raise self._malformed(start)
        if prefix := _FILE.match(self._text, start + 2):
            return self._file(start, prefix.end(), depth)
        name = _NAME.match(self._text, start + 2)
        if name is None:
            raise self._malformed(start)
        if self._text.startswith("}", name.end()):
            value, end = self._set(name[0], start, needed=True), name.end() + 1
        elif self._text.startswith(":-", name.end()):
            value, end = self._or_default(name[0], start, name.end() + 2, depth)
        else:
            raise self._malformed(start)
        if (start, end) == (0, len(self._text)):
            self.whole = name[0]
        return value, end

    def _or_default(self, name: str, start: int, default_start: int, depth: int) -> tuple[str, int]:
        """A default that isn't used is read, too, to find its end; its problems don't count."""
        problems, source = len(self.problems), self.source
        default, end = self._inner(start, default_start, depth)
        default_faults, self.problems[problems:] = self.problems[problems:], []
        default_source, self.source = self.source, source
        value = self._set(name, start, needed=False)
        is_default = value == default and self.source == Source.VARIABLE and not default_faults
        if (value or len(self.problems) > problems) and not is_default:
            return value, end
        self.problems += default_faults
        self.source = default_source
        return default, end

    def _set(self, name: str, start: int, *, needed: bool) -> str:
        """The value that the environment gives for `name`, directly or by a file; empty if it gives none."""
        value, file = self._environ.get(name, ""), self._environ.get(f"{name}_FILE", "")
        if value and file:
            self._fault(start, f"{name} and {name}_FILE are both set; unset one of them")
        elif file:
            return self._content(file, start, f"{name}_FILE names '{one_line(file)}', which")
        elif needed and name not in self._environ:
            self._fault(
                start,
                f"the variable {printable(name)} isn't set; set it, or give a default: ${{{printable(name)}:-...}}",
            )
        if value:
            self.source = max(self.source, Source.VARIABLE)
        return value

    def _file(self, start: int, path_start: int, depth: int) -> tuple[str, int]:
        problems = len(self.problems)
        path, end = self._inner(start, path_start, depth)
        if not path and len(self.problems) == problems:
            raise self._malformed(start)
        if len(self.problems) > problems:
            return "", end
        return self._content(path, start, f"the file '{one_line(path)}'"), end

    def _content(self, path: str, start: int, subject: str) -> str:
        try:
            text = secret_files.read_secret(self._folder / path)
        except SecretFileError as error:
            self._fault(start, f"{subject} {error}")
            return ""
        self.source = Source.FILE
        return text

    def _inner(self, start: int, inner_start: int, depth: int) -> tuple[str, int]:
        """The text inside the `${…}` at `start`, from `inner_start` on, and the position after its `}`."""
        inner, end = self.until_end(inner_start, depth + 1)
        if end == len(self._text):
            raise self._malformed(start)
        return inner, end + 1

    def _fault(self, start: int, reason: str) -> None:
        self.problems.append(VariableProblem(self._text.count("${", 0, start), reason))

    def _malformed(self, start: int) -> _MalformedError:
        end = self._text.find("}", start)
        written = printable(self._text[start : end + 1 or start + 20])
        if end < 0:
            return _MalformedError(start, "'${' is never closed; write ${NAME}, or $${ for the text itself")
        forms = "${NAME}, ${NAME:-default} or ${file:PATH}"
        return _MalformedError(start, f"'{written}' isn't understood; write {forms}, or $${{ for the text itself")
