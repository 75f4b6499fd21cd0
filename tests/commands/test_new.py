"""`runner new`: what it writes runs unchanged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runner.cli import main
from runner.commands.new import EXAMPLES

ROOT = Path(__file__).parents[2]


def new(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["new", *map(str, arguments)])


def check(folder: Path) -> tuple[int, str]:
    """Strictly, in a process of its own: a folder `stages` must not meet this test's."""
    command = [sys.executable, "-m", "runner", "check", "--strict", "pipeline.yaml"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    checked = subprocess.run(command, check=False, cwd=folder, env=environment, capture_output=True, text=True)
    return checked.returncode, checked.stdout + checked.stderr


def test_it_writes_a_small_pipeline_that_checks(tmp_path: Path) -> None:
    assert new(tmp_path / "mine").exit_code == 0
    assert check(tmp_path / "mine") == (0, "pipeline.yaml: fine (2 stages, 2 queues)\n")


def test_it_writes_the_whole_shipped_application(tmp_path: Path) -> None:
    assert new("--example", "payments", tmp_path / "shop").exit_code == 0
    assert check(tmp_path / "shop") == (0, "pipeline.yaml: fine (3 stages, 3 queues)\n")
    for name in ("pipeline.yaml", "schemas/payment.json", "stages/send_email.py", "stages/templates/paid.html"):
        assert (tmp_path / "shop" / name).read_bytes() == (ROOT / name).read_bytes()


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_writes_files_and_no_links_or_caches(tmp_path: Path, example: str) -> None:
    new("--example", example, tmp_path / "mine")
    written = list((tmp_path / "mine").rglob("*"))
    assert not [path for path in written if path.is_symlink() or "__pycache__" in path.parts]


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_schema_that_the_file_names_for_editors_is_there(tmp_path: Path, example: str) -> None:
    new("--example", example, tmp_path / "mine")
    first = (tmp_path / "mine/pipeline.yaml").read_text().splitlines()[0]
    schema = tmp_path / "mine" / first.removeprefix("# yaml-language-server: $schema=")
    assert schema.read_bytes() == (ROOT / "runner/pipeline.schema.json").read_bytes()


def test_it_tells_the_next_step_as_it_is_typed(tmp_path: Path) -> None:
    assert new(tmp_path / "mine").stdout.endswith(f"next: cd {tmp_path / 'mine'} && runner run\n")
    assert f"next: cd '{tmp_path / 'two words'}' && runner run" in new(tmp_path / "two words").stdout


def test_it_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "pipeline.yaml").write_text("mine\n")
    result = new(tmp_path)
    assert result.exit_code == 1
    assert f"{tmp_path}/pipeline.yaml already exists; name a new folder" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.yaml"]


def test_an_example_whose_files_were_not_there_at_the_build_is_said_to_be_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "starter/payments").mkdir(parents=True)
    (tmp_path / "starter/payments/pipeline.schema.json").touch()
    monkeypatch.setattr("runner.commands.new.files", lambda package: tmp_path / "starter")
    result = new("--example", "payments", tmp_path / "mine")
    assert result.exit_code == 1
    assert "the example payments is left out of this installation" in result.stderr
    assert not (tmp_path / "mine").exists()


def test_a_stage_that_the_folder_lacks_is_not_taken_from_an_installed_package(tmp_path: Path) -> None:
    """From the shipped one, say, which stands on this process's path."""
    new(tmp_path)
    file = tmp_path / "pipeline.yaml"
    file.write_text(file.read_text().replace("stages.greetings:deliver", "stages.process_payment:ProcessPayment"))
    status, said = check(tmp_path)
    assert status == 1
    assert "there is no module 'stages.process_payment'" in said
