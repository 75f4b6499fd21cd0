"""Which child processes a run has; that they live is in `test_supervisor`, what they do in tests/system."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.ports import free_port
from runner.config.loader import LoadedPipeline
from runner.processes.child import Child
from runner.processes.children import children
from runner.processes.listeners import Listeners
from runner.processes.parts import parts_of
from tests.pipelines import loaded, write
from tests.waiting import wait_until

PIPELINE = """
    broker: BROKER
    http: {listen: "127.0.0.1:0", routes: {POST /work: {publish: work}}}
    mailbox: {listen: "127.0.0.1:0"}
    queues: {work: {}, other: {}}
    stages:
      one: {consume: work, handler: "tests.config.handlers:take"}
      two: {consume: other, handler: "tests.config.handlers:take"}
"""


@pytest.fixture
def pipeline(tmp_path: Path) -> LoadedPipeline:
    return loaded(tmp_path, PIPELINE)


def made(pipeline: LoadedPipeline, *only: str, processes: int = 1) -> list[Child]:
    return children(pipeline, parts_of(pipeline.pipeline, only), Listeners({}), processes=processes)


@pytest.mark.parametrize(
    ("only", "processes", "names"),
    [
        ([], 1, ["mailbox", "intake", "worker"]),
        ([], 3, ["mailbox", "intake", "worker-1", "worker-2", "worker-3"]),
        (["two"], 2, ["worker-1", "worker-2"]),
        (["intake"], 2, ["intake"]),
        (["mailbox", "one"], 1, ["mailbox", "worker"]),
    ],
)
def test_each_part_is_a_child_and_the_stages_are_as_many_as_are_asked_for(
    pipeline: LoadedPipeline, only: list[str], processes: int, names: list[str]
) -> None:
    assert [child.name for child in made(pipeline, *only, processes=processes)] == names


def test_the_mailbox_is_stopped_last_for_stages_may_mail_until_they_end(pipeline: LoadedPipeline) -> None:
    assert [child.name for child in made(pipeline) if child.last] == ["mailbox"]


def test_only_the_intake_forks_processes_of_its_own(pipeline: LoadedPipeline) -> None:
    assert [child.name for child in made(pipeline) if child.forks] == ["intake"]


REPORTING = """
import os, sys
from runner.config.loader import load
from runner.observability import logs
from runner.processes.child import Board, Supervision
from runner.processes.child import Child
from runner.processes.children import children
from runner.processes.listeners import Listeners
from runner.processes.parts import parts_of

logs.configure("health")
loaded = load(sys.argv[1])
parts = parts_of(loaded.pipeline, [])
[health] = [child for child in children(loaded, parts, Listeners.opened(parts)) if child.name == "health"]
lifeline, report = os.pipe()
health.run(Supervision(report, lifeline, Board([])))
"""


def test_the_one_that_reports_health_is_observed_too(tmp_path: Path) -> None:
    port = free_port()
    text = f"""
        broker: "amqp://127.0.0.1:{port}"
        health: {{listen: "127.0.0.1:0"}}
        queues: {{work: {{}}}}
        stages:
          one: {{consume: work, handler: "tests.config.handlers:take"}}
    """
    command = [sys.executable, "-c", REPORTING, str(write(tmp_path, text))]
    log = tmp_path / "log"
    with log.open("w") as stderr, subprocess.Popen(command, stderr=stderr) as process:
        try:
            wait_until(lambda: f"warning: waiting for the broker: amqp://127.0.0.1:{port}: " in log.read_text())
        finally:
            process.kill()


def test_the_supervisor_pays_for_none_of_its_childrens_libraries() -> None:
    program = "import sys, runner.processes.children; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert {"flask", "granian", "aiosmtpd", "jsonschema"} & set(modules) == set()


SHARING = """
import sys
from runner.config.loader import load
from runner.processes.children import children
from runner.processes.listeners import Listeners
from runner.processes.parts import parts_of

loaded = load(sys.argv[1])
children(loaded, parts_of(loaded.pipeline, []), Listeners({}))
print(*sorted(sys.modules))
"""


@pytest.mark.parametrize(
    ("more", "shared"),
    [
        ("", set()),
        ("    ledger: sqlite:ledger.db\n", {"sqlalchemy"}),
        ('    console: {listen: "127.0.0.1:0"}\n', {"flask"}),
    ],
)
def test_what_several_children_need_is_imported_once_and_what_no_two_need_is_not(
    tmp_path: Path, more: str, shared: set[str]
) -> None:
    command = [sys.executable, "-c", SHARING, str(write(tmp_path, PIPELINE + more))]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    assert {"flask", "granian", "aiosmtpd", "sqlalchemy"} & set(modules) == shared
