"""A folder for pipeline files, whose modules can be imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

pytest.register_assert_rewrite("tests.config.files")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and a search path for modules that is put back."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    return tmp_path


@pytest.fixture
def any_schema(folder: Path) -> None:
    """`any.json` in the working directory: a schema that every body keeps."""
    (folder / "any.json").write_text("true")
