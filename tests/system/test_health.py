"""What each run reports about its health, on a separate address."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest

from bench.ports import free_port
from tests.system.conftest import Start
from tests.system.program import PIPELINE, Program
from tests.waiting import wait_until

Ask = Callable[[str], tuple[int, Any]]


@pytest.fixture
def prepared(prepare: Start) -> Callable[..., tuple[Program, Ask]]:
    """A program that tells of its health, and how it is asked: `ask(name)`, which gives status and body."""

    def make(**beside: str) -> tuple[Program, Ask]:
        port = free_port()
        program = prepare(PIPELINE + f"health: {{listen: 127.0.0.1:{port}}}\n", **beside)
        return program, lambda name: asked(port, name)

    return make


def asked(port: int, name: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health/{name}", timeout=30) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["detail"]


def test_a_run_without_an_intake_tells_of_its_health(prepared: Callable[..., tuple[Program, Ask]]) -> None:
    program, ask = prepared()
    program.start("--only", "one")
    assert ask("live") == (200, {"status": "live"})
    wait_until(lambda: ask("pipeline") == (503, "stage two has no worker"))
    assert ask("ready") == (200, {"status": "accepting", "detail": "stage two has no worker"})
    assert ask("elsewhere")[0] == 404

    other, ask_other = prepared(broker=program.broker)
    other.start("--only", "two")
    wait_until(lambda: ask("pipeline")[0] == ask_other("pipeline")[0] == 200)
    other.stop()
    wait_until(lambda: ask("pipeline")[0] == 503)
    assert ask("ready")[0] == 200, "this run does its work"


def test_a_run_whose_worker_is_gone_is_not_ready(prepared: Callable[..., tuple[Program, Ask]]) -> None:
    program, ask = prepared()
    program.start("--only", "one", "--only", "two", "--only", "intake")
    wait_until(lambda: ask("ready")[0] == 200)
    program.post({"n": 1})
    program.wait_done([1])
    (worker,) = program.worker_pids()
    os.kill(worker, signal.SIGKILL)
    wait_until(lambda: ask("ready") == (503, "worker is not up"))
    wait_until(lambda: ask("ready")[0] == 200)
    assert ask("live")[0] == 200


def test_a_stage_that_is_paused_is_called_so(prepared: Callable[..., tuple[Program, Ask]]) -> None:
    program, ask = prepared()
    program.start()
    assert program.post({"n": 1, "do": {"one": "pause 600"}}).status == 202
    wait_until(lambda: ask("pipeline") == (503, "stage one is paused: nothing works"))
    assert ask("ready")[0] == 200
