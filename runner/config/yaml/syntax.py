"""What PyYAML says about a text that isn't YAML → words that its author understands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import yaml
from yaml.reader import ReaderError


class YamlSyntaxError(Exception):
    """The text can't be read beyond this place."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.column = column
        self.reason = reason


def place_in(text: str, index: int) -> tuple[int, int]:
    """Line and column, from 1, of the character at `index`."""
    lines = re.split(r"\r\n|\r|\n", text[:index])
    return len(lines), len(lines[-1]) + 1


@contextmanager
def explained(text: str, here: Callable[[], yaml.Mark | None]) -> Iterator[None]:
    """Turn PyYAML's errors into YamlSyntaxError. `here` is how far the reader got."""
    try:
        yield
    except ReaderError as error:
        reason = (
            f"the character U+{ord(text[error.position]):04X} can't stand in YAML; write it as an escape, in quotes"
        )
        raise YamlSyntaxError(*place_in(text, error.position), reason) from None
    except yaml.MarkedYAMLError as error:
        mark, reason = _explain(error)
        if mark is not None and text[mark.index - 1 : mark.index + 1] == "${":
            reason = 'inside of [ ] and { } a variable needs quotes: "${NAME}"'
        raise YamlSyntaxError(*_place(mark or here()), reason) from None
    except (yaml.YAMLError, ValueError, OverflowError, IndexError, RecursionError):
        raise YamlSyntaxError(*_place(here()), "this can't be read as YAML") from None


def _place(mark: yaml.Mark | None) -> tuple[int, int]:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _explain(error: yaml.MarkedYAMLError) -> tuple[yaml.Mark | None, str]:
    context, problem = error.context or "", error.problem or ""
    for begin, part, at_context, reason in _REASONS:
        if context.startswith(begin) and part in problem:
            mark = error.context_mark if at_context else error.problem_mark
            return mark, reason.format(line=error.context_mark.line + 1 if error.context_mark else 0)
    return error.problem_mark, f"this can't be read as YAML: {problem}"


# How PyYAML's context begins, a part of its problem, whether the fault lies where the
# context began (else where the problem was met), and the sentence.
_REASONS: tuple[tuple[str, str, bool, str], ...] = (
    ("while scanning for the next token", r"'\t'", False, "a tab can't indent or separate in YAML; use spaces"),
    ("while scanning for the next token", "character", False, "text can't begin with this character; quote the text"),
    ("while scanning a simple key", "", True, "here a ':' is missing; write 'key: value'"),
    (
        "",
        "sequence entries are not allowed",
        False,
        "a list item can't stand here; begin the list on its own line",
    ),
    ("", "mapping keys are not allowed", False, "a '?' can't stand here; quote it to mean text"),
    (
        "",
        "mapping values are not allowed",
        False,
        "a ':' can't stand here; fix the indentation, or quote text that has ': ' in it",
    ),
    ("while scanning a directive", "", True, "a line can't begin with '%'; quote the text"),
    ("", "directive", False, "a line can't begin with '%'; quote the text"),
    ("", "incompatible YAML document", False, "this version of YAML isn't known; remove the line"),
    ("while scanning an alias", "", True, "text can't begin with '*'; quote it"),
    ("while scanning an anchor", "", True, "text can't begin with '&'; quote it"),
    ("while scanning a tag", "", True, "text can't begin with '!'; quote it"),
    ("while parsing a tag", "", True, "text can't begin with '!'; quote it"),
    ("while parsing a node", "undefined tag handle", False, "text can't begin with '!'; quote it"),
    ("", "tag handle", False, "a line can't begin with '%'; quote the text"),
    (
        "while scanning a block scalar",
        "",
        False,
        "after '|' or '>' the line must end; write the text on the lines below it",
    ),
    ("while scanning a quoted scalar", "", True, "the quote that opens here is never closed"),
    (
        "while scanning a double-quoted scalar",
        "unknown escape",
        False,
        "in double quotes a backslash begins an escape, and this isn't one; write \\\\, or use single quotes",
    ),
    (
        "while scanning a double-quoted scalar",
        "",
        False,
        "this escape lacks hexadecimal digits; write \\\\ for a backslash",
    ),
    (
        "while parsing a flow sequence",
        "",
        False,
        "the list that begins with '[' on line {line} lacks a ',' or a ']' here",
    ),
    (
        "while parsing a flow mapping",
        "",
        False,
        "the mapping that begins with '{{' on line {line} lacks a ',' or a '}}' here",
    ),
    ("while parsing a block collection", "", False, "the indentation doesn't fit the list that begins on line {line}"),
    ("while parsing a block mapping", "", False, "the indentation doesn't fit the mapping that begins on line {line}"),
    (
        "while parsing",
        "expected the node content",
        False,
        "a value is missing here; quote text that has '[' or ': ' in it",
    ),
    ("", "<document start>", False, "this doesn't belong to what stands above; fix the indentation"),
)
