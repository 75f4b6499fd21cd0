"""Files and folders that others may not read, created under the usual umask."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.privacy.files import close_to_others, make_file, make_folder


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_and_those_above_it_are_for_their_user_alone(tmp_path: Path) -> None:
    make_folder(tmp_path / "a" / "b")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o700, 0o700)


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o755)
    make_folder(tmp_path / "shared")
    make_folder(tmp_path / "shared" / "own")
    assert (mode(tmp_path / "shared"), mode(tmp_path / "shared" / "own")) == (0o755, 0o700)


def test_a_file_is_for_its_user_alone(tmp_path: Path) -> None:
    os.close(make_file(tmp_path / "x"))
    assert mode(tmp_path / "x") == 0o600


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o640), (0o666, 0o660), (0o600, 0o600), (0o640, 0o640)])
def test_a_file_is_closed_to_others_but_not_to_its_group(before: int, after: int, tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.touch()
    path.chmod(before)
    close_to_others(path)
    assert mode(path) == after


def test_a_file_that_is_not_there_is_no_matter(tmp_path: Path) -> None:
    close_to_others(tmp_path / "x")
