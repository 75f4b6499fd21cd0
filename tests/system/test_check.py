"""Promise 7: what `check` accepts, `run` starts; and what it refuses, `run` refuses in the same words."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.ports import free_port
from tests.system.program import PIPELINE, Program

ROOT = Path(__file__).parents[2]


@pytest.fixture
def broker_url(tmp_path: Path) -> str:
    """The network apart, brokers are alike."""
    return f"embedded:{tmp_path / 'broker.db'}"


def changed(changes: list[tuple[str, str]]) -> str:
    text = PIPELINE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


def check(program: Program) -> tuple[int, str]:
    command = [sys.executable, "-m", "runner", "check"]
    done = subprocess.run(command, check=False, cwd=program.folder, env=program.environment(), capture_output=True)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    "changes",
    [
        [
            ("name: test", "name: another"),
            ("publish: second", "publish: [second]"),
            ("concurrency: 2", "concurrency: 16"),
            ("first: {schema: body.json}", "first: {schema: body.json, type: classic, max_length: 5}"),
            ("queues:", "exchanges: {e: {type: topic}}\nqueues:\n  third: {bind: [{exchange: e, key: 'a.#'}]}"),
            ("shutdown_timeout: 10s", "shutdown_timeout: 0s"),
        ],
        [("publish: second", "publish: [{when: {required: [n]}, to: second}, {to: second}]")],
    ],
    ids=lambda changes: changes[0][1][:30],
)
def test_what_check_accepts_run_starts(tmp_path: Path, broker_url: str, changes: list[tuple[str, str]]) -> None:
    program = Program(tmp_path, broker_url, changed(changes))
    status, said = check(program)
    assert status == 0, said
    program.start()
    assert program.stop() == 0


def test_the_shipped_pipeline_is_accepted_and_starts(tmp_path: Path, broker_url: str) -> None:
    program = Program(tmp_path, broker_url)
    shipped = (ROOT / "pipeline.yaml").read_text().replace("1025", str(free_port()))
    (tmp_path / "pipeline.yaml").write_text(shipped)
    (tmp_path / "schemas").symlink_to(ROOT / "schemas")
    status, said = check(program)
    assert (status, said) == (0, "")
    program.start(env={"LISTEN": f"127.0.0.1:{program.port}", "CONSOLE": "127.0.0.1:0"})
    assert program.stop() == 0


@pytest.mark.parametrize(
    "changes",
    [
        [
            ("consume: first", "consume: frist"),
            ("stage: one", "stge: one"),
            ("Step\n    settings: {stage: two", "Stp\n    settings: {stage: two"),
            ("second: {schema: body.json}", "second: {schema: nobody.json}"),
            ("name: test", "name: test\nname: test"),
            ("BROKER", "amqp://h/v?hartbeat=1"),
            ("127.0.0.1:PORT", "localhost"),
            ("delay: 200ms", "delay: soon"),
            ("shutdown_timeout: 10s", "shutdown_timeout: ${NOWHERE}"),
        ],
        [("folder: .", "folder: ${NOWHERE}")],
        [("  first:", "\tfirst:")],
    ],
    ids=lambda changes: changes[0][1].strip()[:30],
)
def test_what_check_refuses_run_refuses_in_the_same_words(
    tmp_path: Path, broker_url: str, changes: list[tuple[str, str]]
) -> None:
    program = Program(tmp_path, broker_url, changed(changes))
    status, said = check(program)
    assert status == 1
    assert len(said.splitlines()) >= len(changes), said
    assert all(line.startswith("pipeline.yaml:") for line in said.splitlines()), said
    program.start(up=False)
    assert program.end() == 1
    assert program.log == said
