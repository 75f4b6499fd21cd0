"""`runner status`: what it counts, and what it says before there is anything to count."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runner.brokers.registry import connect
from runner.config.loader import load
from runner.deadletters import Filter
from runner.operations import found
from runner.topology import plan
from tests.brokers.plans import Collector
from tests.commands.prompt import lines, run
from tests.commands.test_dead import bury
from tests.waiting import wait_until


def test_status_counts_what_is_on_the_queues(file: Path) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n{"n": 2}\n')
    heading, first, second = lines(run("status", file).stdout)
    assert heading.split() == ["queue", "ready", "in", "hand", "delayed", "dead", "consumed", "by"]
    assert first.split()[:5] == ["payments", "2", "0", "0", "0"]
    assert "take: no worker" in first
    assert second.split()[:5] == ["free", "0", "0", "0", "0"]
    document = json.loads(run("status", "--format", "json", file).stdout)
    assert document["payments"] == {
        "ready": 2,
        "in_hand": 0,
        "delayed": 0,
        "dead": 0,
        "consumers": 0,
        "paused": 0,
        "why": "",
        "strangers": 0,
        "looked_at": False,
    }


def test_status_says_that_dead_letters_in_the_hand_of_one_who_looks_are_not_counted(file: Path, vhost_url: str) -> None:
    file.write_text(file.read_text().replace(f"embedded:{file.parent / 'broker.db'}", vhost_url))
    bury(file, *((f"m{n}", b"{}") for n in range(3)))
    wait_until(lambda: lines(run("status", file).stdout)[1].split()[3:5] == ["0", "3"])
    with closing(found(load(file), ["payments"], Filter())) as letters:
        next(letters)
        wait_until(lambda: lines(run("status", file).stdout)[1].split()[3:5] == ["0+", "0+"])
        assert json.loads(run("status", "--format", "json", file).stdout)["payments"]["looked_at"]
    wait_until(lambda: lines(run("status", file).stdout)[1].split()[3:5] == ["0", "3"])


def test_status_that_watches_prints_its_json_line_by_line_until_it_is_stopped(file: Path) -> None:
    run("send", "-p", file, "payments", stdin=b'{"n": 1}\n')
    command = [sys.executable, "-m", "runner", "status", "--watch", "--format", "json", str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert json.loads(watching.stdout.readline())["payments"]["ready"] == 1
        run("send", "-p", file, "payments", stdin=b'{"n": 2}\n')
        while json.loads(watching.stdout.readline())["payments"]["ready"] == 1:
            continue
        watching.send_signal(signal.SIGINT)
        _, said = watching.communicate(timeout=60)
    assert (watching.returncode, said) == (0, "")


@pytest.mark.parametrize(
    ("why", "told"),
    [
        ("the bank [red]is\nclosed[/]", "take (1 worker, paused: the bank [red]is closed[/])"),
        ("by ada: the bank is down", "take (1 worker, paused by ada: the bank is down)"),
    ],
)
def test_status_says_why_a_stage_is_paused(file: Path, why: str, told: str) -> None:
    broker = connect(load(file).pipeline, "test")
    broker.start(plan(load(file).pipeline))
    broker.consume("payments", 1, Collector())
    broker.cancel("payments", pausing=why)
    wait_until(lambda: told in run("status", file).stdout)
    broker.close()


def test_status_before_the_first_run_says_so_and_makes_nothing(file: Path) -> None:
    result = run("status", file)
    assert result.exit_code == 1
    assert "not there yet; the first run of the pipeline creates it" in result.stderr
    assert not (file.parent / "broker.db").exists()
