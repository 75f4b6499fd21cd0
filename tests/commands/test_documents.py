"""A file's documents: one, or one on each line."""

from __future__ import annotations

from io import BytesIO

import pytest

from runner.commands.documents import Line, documents


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", []),
        (b"\n \n", []),
        (b'{"n": 1}', [Line(1, b'{"n": 1}')]),
        (b'{\n  "n": 1\n}\n', [Line(1, b'{\n  "n": 1\n}\n')]),
        (b'\n{"n": 1}\n\n{"n": 2}\n', [Line(2, b'{"n": 1}\n'), Line(4, b'{"n": 2}\n')]),
        (b'nonsense\n{"n": 2}\n3\n', [Line(1, b"nonsense\n"), Line(2, b'{"n": 2}\n'), Line(3, b"3\n")]),
        (b'{"n": 1}\nnonsense\n', [Line(1, b'{"n": 1}\n'), Line(2, b"nonsense\n")]),
        (b"no\njson\nat all\n", [Line(1, b"no\njson\nat all\n")]),
    ],
)
def test_lines_are_documents_where_one_of_the_first_two_is_one(text: bytes, found: list[Line]) -> None:
    assert list(documents(BytesIO(text))) == found


def test_no_more_is_read_than_is_asked_for() -> None:
    source = BytesIO(b"1\n2\n" + b"3\n" * 1000)
    found = documents(source)
    assert [next(found).number for _ in range(3)] == [1, 2, 3]
    assert source.tell() == len(b"1\n2\n3\n")
