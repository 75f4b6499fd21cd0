"""Reading a file: bounded, and without waiting."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.paths import FileReadError, read_file


def test_a_file_is_read_up_to_the_size_that_is_allowed(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * 1024)
    assert read_file(file, 1024) == b"x" * 1024
    with pytest.raises(FileReadError, match=r"^is larger than 1023B$"):
        read_file(file, 1023)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing", "can't be read: No such file or directory"),
        ("folder", "can't be read: Is a directory"),
        ("x" * 300, "can't be read: File name too long"),
        ("a\0b", "can't be the name of a file"),
        ("a\ud800b", "can't be the name of a file"),
        ("pipe", "is not a regular file"),
        ("/dev/zero", "is not a regular file"),
        ("file/x", "can't be read: Not a directory"),
    ],
)
def test_what_is_no_file_says_so_at_once(name: str, reason: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FileReadError) as caught:
        read_file(tmp_path / name, 1024)
    assert str(caught.value) == reason
