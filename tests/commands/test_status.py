"""`runner status`: what it counts, and what it says before there is anything to count."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commands.prompt import lines, run


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
        "strangers": 0,
    }


def test_status_before_the_first_run_says_so_and_makes_nothing(file: Path) -> None:
    result = run("status", file)
    assert result.exit_code == 1
    assert "not there yet; the first run of the pipeline creates it" in result.stderr
    assert not (file.parent / "broker.db").exists()
