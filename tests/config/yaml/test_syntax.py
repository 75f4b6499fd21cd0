"""A text that is not YAML: what its author learns, and at which place."""

from __future__ import annotations

import pytest

from runner.config.yaml.parser import UnreadableError, parse_yaml
from runner.config.yaml.syntax import place_in
from tests.config.files import places


@pytest.mark.parametrize(
    ("marked", "reason"),
    [
        ("a:\n¦\tb: 1\n", "a tab can't indent or separate in YAML; use spaces"),
        ("a: ¦@b\n", "text can't begin with this character; quote the text"),
        ("a: ¦`b`\n", "text can't begin with this character; quote the text"),
        ("a: 1\n¦b\nc: 2\n", "here a ':' is missing; write 'key: value'"),
        ("a: ¦- b\n", "a list item can't stand here; begin the list on its own line"),
        ("a: b¦: c\n", "a ':' can't stand here; fix the indentation, or quote text that has ': ' in it"),
        ("a: 1\n  b¦: 2\n", "a ':' can't stand here; fix the indentation, or quote text that has ': ' in it"),
        ("a: b\n¦- c\n", "the indentation doesn't fit the mapping that begins on line 1"),
        ("- a\n¦b: 1\n", "the indentation doesn't fit the list that begins on line 1"),
        ("a:\n    b: 1\n  ¦c: 2\n", "the indentation doesn't fit the mapping that begins on line 1"),
        ("a: ¦*.created\n", "text can't begin with '*'; quote it"),
        ("a: ¦&\n", "text can't begin with '&'; quote it"),
        ("a: ¦!<x\n", "text can't begin with '!'; quote it"),
        ("a: ¦!x!y z\n", "text can't begin with '!'; quote it"),
        ("a: ¦'b\n", "the quote that opens here is never closed"),
        ('a: ¦"b\nc: 1\n', "the quote that opens here is never closed"),
        (
            'a: "\\¦d"\n',
            "in double quotes a backslash begins an escape, and this isn't one; write \\\\, or use single quotes",
        ),
        ('a: "\\x¦zz"\n', "this escape lacks hexadecimal digits; write \\\\ for a backslash"),
        ("a: |¦x\n  b\n", "after '|' or '>' the line must end; write the text on the lines below it"),
        ("a: [b, c\n¦", "the list that begins with '[' on line 1 lacks a ',' or a ']' here"),
        ("a: {b: c\n¦", "the mapping that begins with '{' on line 1 lacks a ',' or a '}' here"),
        ("a: [¦::1]:80\n", "a value is missing here; quote text that has '[' or ': ' in it"),
        ("a: {b: $¦{X}}\n", 'inside of [ ] and { } a variable needs quotes: "${NAME}"'),
        ("a: [$¦{X}]\n", 'inside of [ ] and { } a variable needs quotes: "${NAME}"'),
        ("{a: b}¦}\n", "this doesn't belong to what stands above; fix the indentation"),
        ("¦%YAML x\n---\na: 1\n", "a line can't begin with '%'; quote the text"),
        ("a: b¦\x00\n", "the character U+0000 can't stand in YAML; write it as an escape, in quotes"),
        ("é: b¦\x07\n", "the character U+0007 can't stand in YAML; write it as an escape, in quotes"),
        ('a: "\\U¦FFFFFFFF"\n', "this can't be read as YAML"),
    ],
)
def test_what_is_not_yaml_is_explained_at_its_place(marked: str, reason: str) -> None:
    text, [(line, column)] = places(marked)
    with pytest.raises(UnreadableError) as caught:
        parse_yaml(text.encode(), "p.yaml", {})
    assert [str(problem) for problem in caught.value.problems] == [f"p.yaml:{line}:{column}: {reason}"]


@pytest.mark.parametrize(
    ("before", "place"),
    [("", (1, 1)), ("ab", (1, 3)), ("a\n", (2, 1)), ("a\r\nb", (2, 2)), ("a\rb\nc", (3, 2)), ("é\nüb", (2, 3))],
)
def test_a_place_counts_lines_and_characters_from_1(before: str, place: tuple[int, int]) -> None:
    assert place_in(f"{before}x\ny", len(before)) == place
