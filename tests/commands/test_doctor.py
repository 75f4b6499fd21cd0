"""`runner doctor`: what it prints, and its exit status."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands.prompt import lines, run

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("pipeline.yaml", "schemas"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    text = (tmp_path / "pipeline.yaml").read_text()
    (tmp_path / "pipeline.yaml").write_text(text.replace("127.0.0.1:1025", "127.0.0.1:0"))
    monkeypatch.setenv("LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("CONSOLE", "127.0.0.1:0")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pipeline.yaml"


def test_a_fault_says_what_to_do_and_is_the_exit_status(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BROKER_URL", "amqp://me:secret@127.0.0.1:1")
    monkeypatch.setenv("MAIL_PORT", "1")
    result = run("doctor", shipped)
    assert result.exit_code == 1
    assert lines(result.stdout)[:2] == [
        "FAULT    broker: amqp://127.0.0.1:1: connection refused",
        "         → start it, or correct 'broker' in the file",
    ]
    assert "FAULT    stage send_email: mail server 127.0.0.1:1 can't be reached" in result.stdout
    assert lines(result.stdout)[-1] == "2 faults, 1 warning"
    assert "secret" not in result.stdout + result.stderr


def test_as_json(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PORT", "1")
    result = run("doctor", "--format", "json", shipped)
    document = json.loads(result.stdout)
    assert result.exit_code == 1
    assert [found["subject"] for found in document if found["level"] == "fault"] == ["stage send_email"]
    assert {"level", "subject", "text", "remedy"} == set(document[0])
    assert not (shipped.parent / "var").exists()
