"""`runner check`: what it reports about a file, to people and to machines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.prompt import lines, run


def test_check_says_that_a_good_file_is_fine(file: Path) -> None:
    result = run("check", file)
    assert (result.exit_code, result.output) == (0, f"{file}: fine (2 stages, 2 queues)\n")


def test_check_tells_every_problem_with_its_place_and_ends_with_1(file: Path) -> None:
    file.write_text(file.read_text().replace("publish: payments", "publish: paymets").replace("mailbox:", "mailbxo:"))
    result = run("check", file)
    assert result.exit_code == 1
    first, second, *_ = lines(result.stderr)
    assert first.startswith(f"{file}:7:26: ")
    assert "did you mean 'payments'?" in first
    assert second.startswith(f"{file}:8:1: ")
    assert "did you mean 'mailbox'?" in second


def test_check_names_a_secrets_file_that_cannot_be_used(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file.write_text(file.read_text().replace(f"embedded:{file.parent / 'broker.db'}", "${BROKER_URL}"))
    monkeypatch.setenv("BROKER_URL_FILE", "rabbit")
    advice = "name a readable file that holds the value alone"
    missing = f"BROKER_URL_FILE names 'rabbit', which can't be read: No such file or directory; {advice}"
    assert lines(run("check", file).stderr)[0] == f"{file}:3:9: {missing}"
    (file.parent / "rabbit").write_text("amqp://user:hunter2@rabbit/v\n")
    assert run("check", file).exit_code == 0
    assert "\nbroker: amqp://user:********@rabbit/v\n" in run("show", file).output
    monkeypatch.setenv("BROKER_URL", "amqp://user:hunter3@rabbit/v")
    both = "BROKER_URL and BROKER_URL_FILE are both set; unset one of them"
    assert lines(run("check", file).stderr)[0] == f"{file}:3:9: {both}"


def test_check_speaks_json_to_machines(file: Path) -> None:
    assert json.loads(run("check", "--format", "json", file).stdout) == {"ok": True, "problems": []}
    file.write_text(file.read_text().replace("name: test", "nme: test"))
    result = run("check", "--format", "json", file)
    document = json.loads(result.stdout)
    assert (result.exit_code, document["ok"]) == (1, False)
    problem = document["problems"][0]
    assert (problem["file"], problem["line"], problem["column"], problem["severity"]) == (str(file), 2, 1, "error")
    assert problem["key"] == "nme"


def test_warnings_are_shown_and_only_strict_counts_them(file: Path) -> None:
    file.write_text(file.read_text().replace("{schema: payment.json, max_length: 3}", "{}"))
    lenient, strict = run("check", file), run("check", "--strict", file)
    assert (lenient.exit_code, strict.exit_code) == (0, 1)
    assert "warning: " in lenient.stderr
    assert "warning: " in strict.stderr
