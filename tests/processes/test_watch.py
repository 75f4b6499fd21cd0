"""What a watching run notices."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.processes import watch
from runner.processes.watch import Watch


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A pipeline's folder, looked at without a pause."""
    monkeypatch.setattr(watch, "LOOK_EVERY", 0.0)
    for place in ("stages", "var", ".git", "env/lib"):
        (tmp_path / place).mkdir(parents=True)
    (tmp_path / "env" / "pyvenv.cfg").touch()
    (tmp_path / "pipeline.yaml").write_text("name: a")
    return tmp_path


@pytest.mark.parametrize("name", ["pipeline.yaml", "stages/mail.py", "body.json"])
def test_a_change_is_due_once_when_it_has_stayed_the_same_between_two_looks(folder: Path, name: str) -> None:
    watching = Watch(folder / "pipeline.yaml")
    assert not watching.due()
    (folder / name).write_text("name: other")
    assert [watching.due() for _ in range(3)] == [False, True, False]
    (folder / name).write_text("name: another")
    assert not watching.due()
    (folder / name).write_text("name: one more yet")
    assert [watching.due() for _ in range(3)] == [False, True, False]
    (folder / name).unlink()
    assert [watching.due() for _ in range(3)] == [False, True, False]


@pytest.mark.parametrize("name", ["var/a.json", ".git/a.py", "env/lib/a.py", "notes.txt"])
def test_what_a_pipeline_is_not_made_of_is_passed_over(folder: Path, name: str) -> None:
    watching = Watch(folder / "pipeline.yaml")
    (folder / name).write_text("new")
    assert not any(watching.due() for _ in range(3))
