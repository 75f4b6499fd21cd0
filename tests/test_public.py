"""Users import from `runner` itself, and an import costs no more than it has to."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import runner
from tests.http_client import Client
from tests.pipelines import write
from tests.waiting import wait_until

PIPELINE = """
    name: public
    broker: BROKER
    http: {listen: "127.0.0.1:0", routes: {POST /work: {publish: work}}}
    queues: {work: {}}
    stages: {one: {consume: work, handler: "tests.test_public:keep"}}
"""
KEPT: list[object] = []


def keep(message: runner.Message) -> None:
    KEPT.append(message.body)


def test_everything_that_is_public_can_be_imported() -> None:
    assert runner.__all__ == sorted(runner.__all__)
    for name in runner.__all__:
        assert getattr(runner, name).__module__.startswith("runner."), name


def test_a_name_that_is_not_public_is_not_there() -> None:
    assert not hasattr(runner, "Supervisor")


def test_a_stage_that_imports_a_message_pays_for_nothing_else() -> None:
    program = "import sys, runner.message; from runner import Message, Retry; print(*sorted(sys.modules))"
    modules = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert [name for name in modules if name in ("yaml", "flask", "pika", "jsonschema_rs", "orjson")] == []


def test_a_pipeline_runs_in_this_process(tmp_path: Path) -> None:
    with runner.Engine(runner.load(write(tmp_path, PIPELINE))) as engine:
        answer = Client(int(engine.url.rpartition(":")[2])).post("/work", {"n": 1})
        assert answer.status == 202
        wait_until(lambda: KEPT)
    assert KEPT == [{"n": 1}]
