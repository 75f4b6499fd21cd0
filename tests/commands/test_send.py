"""`runner send`: what is published, and what it reports about the rest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.commands.prompt import lines, run, stored


@pytest.mark.parametrize("target", ["payments", "POST /pay", "/pay"])
def test_send_publishes_one_document_to_a_queue_or_a_route(file: Path, target: str) -> None:
    document = file.parent / "one.json"
    document.write_text('{\n  "n": 1\n}\n')
    result = run("send", "-p", file, target, document)
    assert (result.exit_code, result.stdout) == (0, f"1 message confirmed on {target}\n")
    assert stored(file, "payments") == [{"n": 1}]


def test_send_publishes_json_lines_and_tells_the_bad_ones_by_number(file: Path) -> None:
    text = b'{"n": 1}\n{"n": "x"}\n\nnonsense\n{"n": 2}\n{}\n'
    result = run("send", "-p", file, "payments", stdin=text)
    assert (result.exit_code, result.stdout) == (1, "2 messages confirmed on payments, 3 not sent\n")
    assert lines(result.stderr) == [
        "line 2: /n must be an integer",
        "line 4: not JSON: invalid literal, expected 'null': line 1 column 1 (char 0)",
        "line 6: /n is required",
    ]
    assert stored(file, "payments") == [{"n": 1}, {"n": 2}]


def test_send_tells_what_a_full_queue_refuses(file: Path) -> None:
    result = run("send", "-p", file, "payments", stdin=b"".join(b'{"n": %d}\n' % n for n in range(5)))
    assert (result.exit_code, result.stdout) == (1, "3 messages confirmed on payments, 2 not sent\n")
    assert lines(result.stderr)[0].startswith("line 4: payments refuses it: the queue is full")
    assert len(stored(file, "payments")) == 3


def test_send_takes_any_number_of_lines(file: Path) -> None:
    result = run("send", "-p", file, "free", stdin=b"".join(b'{"n": %d}\n' % n for n in range(2345)))
    assert result.stdout == "2,345 messages confirmed on free\n"
    assert stored(file, "free") == [{"n": n} for n in range(2345)]


def test_send_names_the_nearest_target(file: Path) -> None:
    result = run("send", "-p", file, "payment", stdin=b"{}")
    assert result.exit_code == 1
    assert "there is no queue or route 'payment' (did you mean 'payments'?)" in result.stderr


@pytest.mark.parametrize("nothing", [b"", b"\n \n", b"\xef\xbb\xbf"])
def test_an_input_without_a_document_is_an_error(file: Path, nothing: bytes) -> None:
    result = run("send", "-p", file, "payments", stdin=nothing)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == "runner: there is nothing to send: the input has no JSON document\n"


def test_send_takes_a_file_as_windows_writes_it(file: Path) -> None:
    for text in (b'\xef\xbb\xbf{"n": 1}\r\n\xef\xbb\xbf{"n": 2}\r\n', b'\xef\xbb\xbf{\r\n"n": 3\r\n}\r\n'):
        assert run("send", "-p", file, "payments", stdin=text).exit_code == 0
    assert stored(file, "payments") == [{"n": 1}, {"n": 2}, {"n": 3}]
