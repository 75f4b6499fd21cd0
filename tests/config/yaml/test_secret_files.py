"""A file with one value: what is taken from it, and why it may have none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.config.yaml.secret_files import LARGEST, SecretFileError, read_secret


@pytest.mark.parametrize(
    ("content", "value"),
    [("a", "a"), ("a\n", "a"), ("a\n\n", "a\n"), ("a\r\n", "a"), (" a\nb \n", " a\nb "), ("é", "é")],
)
def test_the_text_of_a_file_is_taken_as_it_is_without_its_last_line_break(
    content: str, value: str, tmp_path: Path
) -> None:
    (tmp_path / "password").write_bytes(content.encode())
    assert read_secret(tmp_path / "password") == value


def test_a_file_may_have_64_kib_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("x" * LARGEST)
    assert read_secret(file) == "x" * LARGEST
    file.write_text("x" * (LARGEST + 1))
    with pytest.raises(
        SecretFileError,
        match=r"^is larger than 64KiB; name a readable file that holds the value alone$",
    ):
        read_secret(file)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        (
            "missing",
            "can't be read: No such file or directory; name a readable file that holds the value alone",
        ),
        (
            "folder",
            "can't be read: Is a directory; name a readable file that holds the value alone",
        ),
        (
            "a\0b",
            "can't be the name of a file; name a readable file that holds the value alone",
        ),
        ("pipe", "is not a regular file; name a readable file that holds the value alone"),
        (
            "/dev/zero",
            "is not a regular file; name a readable file that holds the value alone",
        ),
        ("latin", "isn't UTF-8 text; save the value as UTF-8"),
        ("empty", "is empty; write the value into it"),
    ],
)
def test_a_file_that_gives_no_value_says_why_and_nothing_of_what_is_in_it(
    name: str, reason: str, tmp_path: Path
) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "latin").write_bytes(b"hunter2\xe9")
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(SecretFileError) as caught:
        read_secret(tmp_path / name)
    assert str(caught.value) == reason
